import * as z from 'zod';
import { deltaFields, digest, packageName, platform, size } from './delta-fields.ts';
import { formatDocument, parseDocument, schemaOf } from './document.ts';

/** A word that is a tag, a folder and a part of a URL alike. */
const channelName = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

export function isChannelName(text: string): boolean {
  return channelName.test(text);
}

const instant = z.iso.datetime().meta({ description: 'RFC 3339, in UTC.' });

const image = z
  .object({
    image: z.string().meta({ description: 'As declared: [PATH/]NAME[:TAG].' }),
    platform,
    config: digest.meta({ description: 'Of the image config.' }),
    reference: z
      .string()
      .nullable()
      .meta({ description: 'What a device may pull in place of a delta, by digest; null where no registry has it.' }),
    size: size.meta({ description: 'Bytes of a pull, where the device has nothing of it.' }),
  })
  .meta({ description: 'One image of the release on one platform.' });

const delta = deltaFields
  .extend({ from: z.string().meta({ description: 'The release that the device has.' }) })
  .meta({ description: 'A bundle that is a step of some way to the release.' });

/** The one definition of ota.json. Keys that a later version adds are left out when it is read. */
export const channelSchema = z
  .object({
    schema: z.literal(1),
    name: z.string().meta({ description: "The project: the folder below a device's /var/lib/imgbuild." }),
    channel: z.string().regex(channelName),
    version: z.string().meta({ description: 'The release that devices of this channel are to run.' }),
    packages: z
      .array(packageName)
      .optional()
      .meta({ description: 'Its Debian packages, where bundles carry them: a pull brings none.' }),
    sequence: z
      .int()
      .min(1)
      .meta({ description: 'One more with every signature: a device that saw a higher one refuses this.' }),
    issued: instant,
    expires: instant,
    urls: z.array(z.string()).min(1).meta({
      description:
        'Where files are, in the order to try: {version} is the `to` of the delta, {file} its name, {sha256} that of its bytes.',
    }),
    images: z.array(image),
    deltas: z.array(delta),
  })
  .meta({ title: 'ota.json', description: 'What the devices of a channel are to run, and the ways there.' });

export type Channel = z.output<typeof channelSchema>;
export type ChannelDelta = Channel['deltas'][number];

export function formatChannel(channel: Channel): Buffer {
  return formatDocument(channelSchema, channel);
}

/** Throws a RangeError that says what is wrong. */
export function parseChannel(bytes: Uint8Array): Channel {
  return parseDocument(channelSchema, bytes);
}

/** docs/schema/ota.schema.json */
export function channelSchemaJson(): string {
  return schemaOf(channelSchema);
}
