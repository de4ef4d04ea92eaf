import * as z from 'zod';
import { deltaFields, digest, fileName, hex, platform, sha256, size } from './delta-fields.ts';
import { formatDocument, parseDocument, schemaOf } from './document.ts';

const image = z
  .object({
    layer: z.string().meta({ description: "The layer's name in imgbuild.yaml." }),
    image: z.string().meta({ description: 'As declared: [PATH/]NAME[:TAG].' }),
    repository: z.string().meta({ description: 'Below the store.' }),
    platform,
    digest: digest.meta({ description: "Of the image's manifest." }),
    index: digest
      .nullable()
      .meta({ description: 'Of the index that the version tag stands on; null where it stands on the manifest.' }),
    config: digest.meta({ description: 'Of the image config: what `docker image inspect` calls the ID.' }),
    diffIds: z.array(digest).meta({ description: 'Of the uncompressed filesystem layers, lowest first.' }),
    fingerprint: hex.meta({ description: 'Of the inputs that it was built from.' }),
  })
  .meta({ description: 'One image on one platform.' });

const layer = z
  .object({ layer: z.string(), repository: z.string(), platform, fingerprint: hex, digest })
  .meta({ description: 'A layer of the chain that the images stand on, itself released or not.' });

const deb = z
  .object({
    name: z.string(),
    version: z.string().meta({ description: 'As dpkg writes it.' }),
    architecture: z.string(),
    file: fileName,
    size,
    sha256,
  })
  .meta({ description: 'A Debian package.' });

const model = z
  .object({
    name: z.string(),
    size: size.meta({ description: 'Of its files together, in bytes.' }),
    files: z.array(z.object({ path: z.string().meta({ description: 'Its place in the model.' }), size, sha256 })),
    repository: z.string().nullable().meta({ description: 'Below the store, where it is published as an artifact.' }),
    digest: digest.nullable().meta({ description: "Of the artifact's manifest, where it is published as one." }),
    version: z
      .string()
      .nullable()
      .optional()
      .meta({ description: 'Of the release that the artifact was made for first: what is unchanged keeps it.' }),
  })
  .meta({ description: 'A model.' });

const delta = deltaFields
  .extend({
    referrers: z
      .array(z.object({ repository: z.string().meta({ description: 'Below the store.' }), digest }))
      .optional()
      .meta({
        description:
          'Of the artifacts that hold the file in the registry, each a referrer of an image of the release; absent where the store is no registry.',
      }),
  })
  .meta({ description: 'What takes a device from one release to another.' });

/** The one definition of release.json. Keys that a later version adds are left out when it is read. */
export const releaseSchema = z
  .object({
    schema: z.literal(1),
    name: z.string().meta({ description: "The configuration's name." }),
    version: z.string().meta({ description: 'As semver.org has it, without v.' }),
    previous: z.string().nullable().meta({ description: 'The release before, when this one was made.' }),
    revision: z.string().nullable().meta({ description: 'The commit, with -dirty where files differed from it.' }),
    images: z.array(image),
    fingerprints: z.array(layer).meta({ description: 'Every layer of the chain, released or not.' }),
    debs: z.array(deb),
    models: z.array(model),
    deltas: z.array(delta),
  })
  .meta({ title: 'release.json', description: 'What a release consists of.' });

export type Release = z.output<typeof releaseSchema>;
export type ReleasedImage = Release['images'][number];
export type ReleasedDeb = Release['debs'][number];
export type ReleasedModel = Release['models'][number];
export type ReleasedDelta = Release['deltas'][number];

/** The same release gives the same bytes: no clock, keys in the definition's order, lists in theirs. */
export function formatRelease(release: Release): Buffer {
  return formatDocument(releaseSchema, release);
}

/** Throws a RangeError that says what is wrong. */
export function parseRelease(bytes: Uint8Array): Release {
  return parseDocument(releaseSchema, bytes);
}

/** docs/schema/release.schema.json */
export function releaseSchemaJson(): string {
  return schemaOf(releaseSchema);
}
