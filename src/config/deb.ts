import * as z from 'zod';
import type { Deb } from './config.ts';
import { contentSchema } from './deb-content.ts';
import { didYouMean } from './did-you-mean.ts';
import { parsePath } from './path.ts';
import { parseBytes } from './size.ts';
import { suites } from './suite.ts';
import { text, Wrong } from './wrong.ts';

const relation = z
  .array(z.string())
  .meta({ description: "As in Debian's control file.", examples: ['["docker.io | docker-ce"]'] })
  .default([]);

const file = (description: string, example: string) =>
  text({ description, examples: [example] }, (value) => parsePath(value));

const unit = z
  .strictObject({
    src: file('A systemd unit: a file of the repository.', 'package/ccai-monitor.service'),
    enable: z.boolean().meta({ description: 'Whether it starts with the machine, if it has [Install].' }).default(true),
    start: z.boolean().meta({ description: 'Whether it starts when the package is installed.' }).default(true),
    upgrade: z
      .enum(['restart', 'stop', 'leave'])
      .meta({
        description: 'At an upgrade: restart it afterwards, stop it before and start it again, or leave it alone.',
      })
      .default('restart'),
  })
  .meta({ description: 'A systemd unit.', examples: ['{ src: package/ccai-monitor.service }'] });

const scripts = z
  .strictObject({
    preinst: file('A program: a file of the repository.', 'package/preinst').optional(),
    postinst: file('A program: a file of the repository.', 'package/postinst').optional(),
    prerm: file('A program: a file of the repository.', 'package/prerm').optional(),
    postrm: file('A program: a file of the repository.', 'package/postrm').optional(),
  })
  .meta({
    description: 'Maintainer scripts; a line #DEBHELPER# says where what imgbuild adds goes.',
    examples: ['{ postinst: package/postinst }'],
  });

const names = (description: string) => z.array(z.string()).meta({ description, examples: ['[ccai-models-tts]'] });

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

/** Bytes of files in one package. */
export const splitSize = text(
  {
    description:
      'Files of more bytes than this go to several packages, which depend on each other in the same version; a file is never cut.',
    examples: ['1900MiB'],
    pattern: '^[0-9]+(\\.[0-9]+)?([kMGT]i?B)?$',
  },
  parseSize,
);

/** One entry of `debs:`, without its name. */
export const debSchema = z
  .strictObject({
    service: z
      .string()
      .meta({ description: 'A layer whose image this host package runs, by a systemd unit.', examples: ['service'] })
      .optional(),
    from: file(
      'A debian/ folder that declares the packages instead: control, *.install and the like.',
      'package/debian',
    ).optional(),
    on: names('With `from`: packages that are packed although they are commented out by `#Package:`.').default([]),
    off: z
      .union([z.boolean(), names('')], { error: 'this is neither true nor a list of packages' })
      .meta({
        description: 'true: the package is not packed. With `from`: the names of those that are not.',
        examples: ['true'],
      })
      .default(false),
    description: z
      .string()
      .meta({
        description:
          'One line on what the package is; more lines below it go to its long description. Needed without `from`.',
        examples: ['CCAI service'],
      })
      .optional(),
    maintainer: z
      .string()
      .meta({ description: 'NAME <ADDRESS>. Needed without `from`.', examples: ['CCAI team <team@example.com>'] })
      .optional(),
    version: z
      .string()
      .meta({
        description:
          "Debian's version, with epoch and revision where wanted; `${version}` is the release's. Default: that; with `from` the changelog's.",
        examples: ['"1:${version}-2"'],
      })
      .optional(),
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
      .array(contentSchema)
      .meta({ description: 'Files to pack, and where they go.', examples: ['[{ src: config, dst: /etc/ccai }]'] })
      .default([]),
    tree: file('A folder of which every file must be in exactly one package, or ignored.', 'models').optional(),
    ignore: z
      .array(
        text({ description: "A glob, relative to the repository's root.", examples: ['models/README.md'] }, (value) =>
          parsePath(value),
        ),
      )
      .meta({ description: 'Files of the tree that are in no package.', examples: ['[models/README.md]'] })
      .default([]),
    units: z
      .array(unit)
      .meta({ description: 'systemd units.', examples: ['[{ src: package/ccai-monitor.service }]'] })
      .default([]),
    sysusers: file('A file of users and groups, as sysusers.d(5).', 'package/ccai.sysusers').optional(),
    tmpfiles: file('A file of what is made at run time, as tmpfiles.d(5).', 'package/ccai.tmpfiles').optional(),
    scripts: scripts.default({}),
    changelog: file("A changelog as Debian's; default: one line on the release.", 'debian/changelog').optional(),
    copyright: file('The copyright file; default: one made of `license`.', 'debian/copyright').optional(),
    split: splitSize.optional(),
    suites: z
      .array(
        text({ description: 'A release of Debian or Ubuntu.', examples: ['debian:11'] }, (value) => {
          if (suites.includes(value)) return value;
          const near = didYouMean(value, suites);
          const fix =
            near === undefined ? 'write a codename, or as in debian:12 or ubuntu:22.04' : `did you mean ${near}?`;
          throw new Wrong('this is no release of Debian or Ubuntu that is known here', fix);
        }),
      )
      .meta({
        description: 'Releases that must be able to unpack the package: auto takes xz where one of them lacks zstd.',
        examples: ['["debian:11", "debian:12"]'],
      })
      .default([]),
    compression: z
      .enum(['auto', 'zstd', 'xz', 'gzip', 'none'])
      .meta({ description: 'How data.tar is compressed; auto samples the files.' })
      .default('auto'),
  })
  .meta({
    description: 'A Debian package.',
    anyOf: [{ required: ['from'] }, { required: ['description', 'maintainer'] }],
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
  const { architecture, run: given, description = '', maintainer = '', ...rest } = parsed;
  const { name: runName, ...runRest } = given ?? { ports: [], env: {}, volumes: [], options: [] };
  return defined({
    ...rest,
    name,
    description,
    maintainer,
    run: runName === undefined ? runRest : { ...runRest, name: runName },
    architecture: architecture ?? (parsed.service === undefined ? 'all' : 'any'),
    scripts: defined(parsed.scripts),
  });
}

/** Without the keys that hold nothing. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as never;
}

/** Bytes. Throws a Wrong. */
function parseSize(value: string): number {
  const bytes = parseBytes(value);
  if (bytes === undefined || bytes < 1_000_000) {
    throw new Wrong('this is not a size of a package', 'write a megabyte at least, as in 1900MiB or 2GB');
  }
  return bytes;
}

/** A parser of texts that match; the texts themselves. */
function matching(pattern: RegExp, because: string, fix: string): (value: string) => string {
  return (value) => {
    if (!pattern.test(value)) throw new Wrong(because, fix);
    return value;
  };
}
