import path from 'node:path';
import { InvalidArgumentError } from 'commander';
import { Failure } from '../failure.ts';
import { nothing } from '../image-source/nothing.ts';
import { openProject } from '../project/open.ts';
import { promote, type Promoted } from '../release/promote.ts';
import { parseVersion } from '../release/version.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface PromoteOptions {
  channel: string;
  url?: string[];
  delta?: string[];
  validDays: number;
  signKey?: string;
  output?: string;
}

export const addPromote: AddCommand = (program, contextOf) => {
  program
    .command('promote')
    .description('say to the devices of a channel which release they are to run; nothing is built')
    .argument('[version]', 'with or without v (default: where the channel stands; it is signed anew)')
    .requiredOption('--channel <name>', 'such as stable or beta')
    .option(
      '--url <template>',
      'where devices find the deltas, with {version} and {file}, or {sha256}; several times for mirrors (default: as it was)',
      (value: string, before?: string[]) => [...(before ?? []), value],
    )
    .option(
      '--delta <file>',
      'a bundle that `ota diff` made after its release, to be listed too; several times',
      (value: string, before?: string[]) => [...(before ?? []), value],
    )
    .option('--valid-days <n>', 'days after which devices ask for a newer signature', days, 90)
    .option('--sign-key <file>', 'an OpenPGP private key (default: IMGBUILD_SIGNING_KEY)')
    .option('-o, --output <dir>', 'where ota.json and its signature go (default: .imgbuild/channels/NAME)')
    .option('--json', 'print ota.json and the ways there as one JSON document')
    .action(async (text: string | undefined, options: PromoteOptions, command) => {
      const context = contextOf(command);
      const { directory, json, stdout, progress, signal } = context;
      const version = text === undefined ? undefined : parseVersion(text);
      const { config, store } = await openProject(context);
      const { findSigningKey } = await import('../signing/openpgp.ts');
      const signKey = await findSigningKey(options.signKey && path.resolve(directory, options.signKey));
      if (signKey === undefined) {
        throw new Failure({
          doing: `promoting to the channel ${options.channel}`,
          because: 'there is no key to sign with, and devices believe nothing without a signature',
          fix: 'give --sign-key FILE, or the key itself in IMGBUILD_SIGNING_KEY',
          kind: 'input',
        });
      }
      const { channelDeltaOf, publishChannelDelta } = await import('../project/channel-delta.ts');
      const deltas = [];
      for (const file of (options.delta ?? []).map((each) => path.resolve(directory, each))) {
        const delta = await channelDeltaOf(file, signal);
        await publishChannelDelta(store, file, delta, { progress, signal });
        deltas.push(delta);
      }
      const promoted = await promote({
        store,
        packages: config.ota.packages,
        channel: options.channel,
        version,
        urls: options.url ?? [],
        deltas,
        validDays: options.validDays,
        signKey,
        now: new Date(),
        directory:
          options.output === undefined
            ? path.join(config.root, '.imgbuild/channels', options.channel)
            : path.resolve(directory, options.output),
        progress,
      });
      stdout.write(json ? `${JSON.stringify(documentOf(promoted))}\n` : renderPromoted(promoted, context));
    });
};

function documentOf({ channel, before, ways, file, signedBy }: Promoted) {
  const shown = ways.map(({ from, platform, size, deltas }) => ({
    from,
    platform,
    size,
    files: deltas.map((delta) => delta.file),
  }));
  return { ...channel, before, ways: shown, file, signedBy };
}

function renderPromoted({ channel, before, ways, file }: Promoted, { directory }: CommandContext): string {
  const { version, sequence, expires } = channel;
  const moved = before === version ? 'signed anew' : before === null ? 'its first release' : `was ${before}`;
  const steps = (count: number) => (count === 1 ? 'one delta' : `${count} deltas`);
  const lines = [
    `${channel.channel} is ${version} (${moved}), number ${sequence}, until ${expires}`,
    ...ways.map(
      ({ from, platform, deltas, size }) =>
        `  from ${from === nothing.name ? 'nothing' : from} (${platform}): ${steps(deltas.length)}, ${formatBytes(size)}`,
    ),
    ...channel.images.map(({ image, platform, reference, size }) =>
      reference === null
        ? `  from anything else (${platform}): no registry has ${image}`
        : `  from anything else (${platform}): a pull of ${image}, ${formatBytes(size)}`,
    ),
    `  ${path.relative(directory, file)}`,
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function days(text: string): number {
  const value = Number(text);
  if (/^[1-9][0-9]{0,4}$/.test(text)) return value;
  throw new InvalidArgumentError('A whole number of days is needed.');
}
