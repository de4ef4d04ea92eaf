import * as z from 'zod';
import type { Deb } from './config.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

const relation = z
  .array(z.string())
  .meta({ description: "As in Debian's control file.", examples: ['["docker.io | docker-ce"]'] })
  .default([]);

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

const port = text(
  { description: 'As `docker run --publish`.', examples: ['"8080:8080"'] },
  matching(
    /^(?:(?:[0-9.]+|\[[0-9a-f:]+\]):)?(?:[0-9]+(?:-[0-9]+)?:)?[0-9]+(?:-[0-9]+)?(?:\/(?:tcp|udp|sctp))?$/,
    'this is not a port, as docker run --publish takes it',
    'write HOST:CONTAINER in quotes, as in "8080:8080"',
  ),
);

const volume = text(
  { description: 'As `docker run --volume`.', examples: ['/var/lib/ccai:/data'] },
  matching(
    /^[^:\s][^:\n]*:\/[^:\n]*(?::[a-zA-Z,]+)?$/,
    'this is not a volume, as docker run --volume takes it',
    'write SOURCE:/PATH/IN/CONTAINER, as in /var/lib/ccai:/data',
  ),
);

const option = text(
  { description: 'Any other option of `docker run`, as one word.', examples: ['--device=/dev/dri'] },
  matching(
    /^--?[a-z][^\n]*$/,
    'this is not an option of docker run',
    'write name and value as one word, as in --device=/dev/dri',
  ),
);

const run = z
  .strictObject({
    name: text(
      {
        description: "Name of container, unit and folder below /opt; default: the configuration's.",
        examples: ['ccai'],
      },
      matching(/^[a-z0-9][a-z0-9.-]+$/, 'this is not a name', 'write lower-case letters, digits, . and -'),
    ).optional(),
    ports: z.array(port).default([]),
    env: z
      .record(
        z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/),
        text(
          { description: 'Its value.', examples: ['info'] },
          matching(/^[^\n]*$/, 'the value has a line break', 'write one line'),
        ),
      )
      .meta({ description: 'Environment of the container.', examples: ['{ LOG: info }'] })
      .default({}),
    volumes: z.array(volume).default([]),
    options: z.array(option).default([]),
  })
  .meta({ description: "How the service's image is run.", examples: ['{ ports: ["8080:8080"] }'] });

/** One entry of `debs:`, without its name. */
export const debSchema = z
  .strictObject({
    service: z
      .string()
      .meta({ description: 'A layer whose image this host package runs, by a systemd unit.', examples: ['service'] })
      .optional(),
    description: z.string().meta({
      description: 'One line on what the package is; more lines below it go to its long description.',
      examples: ['CCAI service'],
    }),
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
    license: z
      .string()
      .meta({ description: 'SPDX identifier, for the copyright file.', examples: ['Apache-2.0'] })
      .optional(),
    run: run.optional(),
    contents: z
      .array(content)
      .meta({ description: 'Files to pack, and where they go.', examples: ['[{ src: config, dst: /etc/ccai }]'] })
      .default([]),
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
  const { service, architecture, contents, license, run: given, ...rest } = parsed;
  const { name: runName, ...runRest } = given ?? { ports: [], env: {}, volumes: [], options: [] };
  return {
    ...rest,
    name,
    ...(service === undefined ? {} : { service }),
    ...(license === undefined ? {} : { license }),
    run: runName === undefined ? runRest : { ...runRest, name: runName },
    architecture: architecture ?? (service === undefined ? 'all' : 'any'),
    contents: contents.map(({ mode, ...entry }) => (mode === undefined ? entry : { ...entry, mode })),
  };
}

/** A parser of texts that match; the texts themselves. */
function matching(pattern: RegExp, because: string, fix: string): (value: string) => string {
  return (value) => {
    if (!pattern.test(value)) throw new Wrong(because, fix);
    return value;
  };
}

function parseTarget(value: string): string {
  if (!value.startsWith('/')) throw new Wrong('a path on the device is absolute', `write /${value}`);
  if (/[\n\0]/.test(value)) throw new Wrong('the path has a line break or a NUL', 'write it on one line');
  if (value.split('/').includes('..')) throw new Wrong('the path contains ..', 'write it without ..');
  return value;
}

function parseMode(value: string): number {
  if (!/^0?[0-7]{3,4}$/.test(value)) throw new Wrong('this is not a file mode', 'write "0644" or "0755"');
  return Number.parseInt(value, 8);
}
