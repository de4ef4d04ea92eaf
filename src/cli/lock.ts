import { findConfig } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import { readLock, writeLock } from '../lock/lock-file.ts';
import { movedBetween, type Moved } from '../lock/moved.ts';
import { relock, resolveMissing } from '../lock/resolve.ts';
import { baseSources } from '../project/base-sources.ts';
import { lockedChain } from '../project/chain.ts';
import { relockPackages } from '../project/packages.ts';
import type { AddCommand } from './command.ts';

export const addLock: AddCommand = (program, contextOf) => {
  program
    .command('lock')
    .description(
      'look up bases from outside and the sums of packages, write imgbuild.lock and packages.lock, say what moved',
    )
    .option('--due', 'also move the epochs of layers with `refresh:`, so that they are built anew')
    .option('--json', 'print what moved as one JSON document')
    .action(async (options: { due?: boolean }, command) => {
      const { directory, file, json, stdout, progress, signal } = contextOf(command);
      const config = await loadConfig(file ?? (await findConfig(directory)));
      const before = await readLock(config.root);
      const sources = { ...baseSources(config, signal), progress };
      const now = new Date();
      const { chain, lock: after } = await lockedChain(config, async (needs, found) => {
        if (found === undefined) return relock(before, needs, sources, { due: options.due ?? false, now });
        return (await resolveMissing(found, needs, sources, { frozen: false, now })).lock;
      });
      signal.throwIfAborted();
      const packages = await relockPackages(config, chain, after, { progress, signal });
      await writeLock(config.root, after);
      const moved = [...movedBetween(before, after), ...packages];
      if (json) stdout.write(`${JSON.stringify({ schema: 1, moved })}\n`);
      else stdout.write(moved.length === 0 ? 'nothing moved\n' : moved.map((each) => `${lineOf(each)}\n`).join(''));
    });
};

function lineOf({ kind, name, platform, from, to }: Moved): string {
  const what =
    kind === 'package'
      ? `package ${name}`
      : kind === 'base'
        ? `base ${name} (${platform})`
        : kind === 'syntax'
          ? `# syntax=${name}`
          : `epoch of ${name}`;
  if (from === null) return `${what}: ${short(to!)} is new`;
  if (to === null) return `${what}: ${short(from)} is needed no more`;
  return from === to ? `${what}: comes from elsewhere now, the same image` : `${what}: ${short(from)} → ${short(to)}`;
}

function short(value: string): string {
  if (/^[0-9a-f]{64}$/.test(value)) return value.slice(0, 12);
  return value.startsWith('sha256:') ? value.slice(0, 'sha256:'.length + 12) : value;
}
