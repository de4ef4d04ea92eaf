import * as z from 'zod';
import type { Deb } from './config.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

const relation = z.array(z.string()).default([]);

const content = z
  .strictObject({
    src: text(
      { description: "A file, folder or glob, relative to the repository's root.", examples: ['config/*.conf'] },
      (value) => parsePath(value),
    ),
    dst: text(
      { description: 'Where it goes on the device: an absolute path.', examples: ['/etc/ccai/'], pattern: '^/' },
      parseTarget,
    ),
    mode: text(
      { description: 'Permission bits in octal, in quotes.', examples: ['"0644"'], pattern: '^0?[0-7]{3,4}$' },
      parseMode,
    ).optional(),
  })
  .meta({ description: 'Files to pack, and where they go.', examples: ['{ src: config, dst: /etc/ccai }'] });

/** One entry of `debs:`, without its name. */
export const debSchema = z
  .strictObject({
    service: z
      .string()
      .meta({ description: 'A layer whose image this host package runs, by a systemd unit.', examples: ['service'] })
      .optional(),
    description: z.string().meta({ description: 'One line on what the package is.', examples: ['CCAI service'] }),
    maintainer: z.string().meta({ description: 'NAME <ADDRESS>', examples: ['CCAI team <team@example.com>'] }),
    section: z.string().meta({ description: "Debian's section." }).default('misc'),
    architecture: z
      .string()
      .meta({
        description:
          "Debian's name of the processor; default: `any` (one package per platform of the layer) with service, else `all`.",
        examples: ['amd64'],
      })
      .optional(),
    depends: relation,
    recommends: relation,
    conflicts: relation,
    replaces: relation,
    provides: relation,
    contents: z.array(content).default([]),
    compression: z
      .enum(['auto', 'zstd', 'xz', 'gzip', 'none'])
      .meta({ description: 'How data.tar is compressed; auto samples the files.' })
      .default('auto'),
  })
  .meta({
    description: 'A Debian package.',
    examples: ['{ description: CCAI service, maintainer: CCAI team <team@example.com>, service: service }'],
  });

/** Debian policy 5.6.7: at least two of a-z 0-9 + - . and a letter or digit first. Throws a Wrong. */
export function parseDebName(value: string): string {
  if (!/^[a-z0-9][a-z0-9+.-]+$/.test(value)) {
    throw new Wrong(
      'this is not a package name',
      'write at least two lower-case letters, digits or + - . and a letter or digit first',
    );
  }
  return value;
}

export function toDeb(name: string, parsed: z.output<typeof debSchema>): Deb {
  const { service, architecture, contents, ...rest } = parsed;
  return {
    ...rest,
    name,
    ...(service === undefined ? {} : { service }),
    architecture: architecture ?? (service === undefined ? 'all' : 'any'),
    contents: contents.map(({ mode, ...entry }) => (mode === undefined ? entry : { ...entry, mode })),
  };
}

function parseTarget(value: string): string {
  if (!value.startsWith('/')) throw new Wrong('a path on the device is absolute', `write /${value}`);
  if (value.split('/').includes('..')) throw new Wrong('the path contains ..', 'write it without ..');
  return value;
}

function parseMode(value: string): number {
  if (!/^0?[0-7]{3,4}$/.test(value)) throw new Wrong('this is not a file mode', 'write "0644" or "0755"');
  return Number.parseInt(value, 8);
}
