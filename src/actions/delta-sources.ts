import { Failure } from '../failure.ts';
import { parseImageName } from '../image-source/image-name.ts';
import { listReleases } from '../release/release-store.ts';
import { previousOf, versionsBefore } from '../release/version.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { wrongInput } from './inputs.ts';

/**
 * What the input `from` means: names as they are, `previous` for the release before `to`, `last N` for that and those
 * before it. Yanked ones don't count. Throws a Failure.
 */
export async function deltaSources(store: LayerStore, words: readonly string[], to: string): Promise<string[]> {
  const sources: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === 'previous') sources.push(...(await releasesBefore(store, to, 1)));
    else if (word === 'last') {
      const number = words[++at] ?? '';
      if (!/^[1-9][0-9]?$/.test(number)) {
        throw wrongInput('from', '`last` is followed by no number from 1 to 99', 'write how many, as in `last 3`');
      }
      sources.push(...(await releasesBefore(store, to, Number(number))));
    } else sources.push(word);
  }
  if (sources.length === 0) throw wrongInput('from', 'it names no release', 'write a version, such as 1.1.0');
  return [...new Set(sources)];
}

async function releasesBefore(store: LayerStore, to: string, count: number): Promise<string[]> {
  const target = parseImageName(to);
  if (target.transport !== 'release') {
    const fix = 'write the versions or names to start from';
    throw wrongInput('from', `${to} is no release, so none comes before it`, fix);
  }
  const standing = (await listReleases(store)).filter(({ yanked }) => !yanked).map(({ version }) => version);
  const previous = previousOf(target.version, standing);
  if (previous !== undefined) return versionsBefore(target.version, previous, standing, count);
  throw new Failure({
    doing: `making a delta to ${target.version}`,
    because: `${store.name} has no release before it`,
    fix: 'write `none` for a bundle that needs no release on the device',
    kind: 'input',
  });
}
