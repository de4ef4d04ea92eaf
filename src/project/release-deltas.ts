import { basename, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Prover } from '../delta/prove.ts';
import { hexOf } from '../oci/digest.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Progress } from '../progress.ts';
import { withDraft } from '../release/draft-store.ts';
import type { Release, ReleasedDelta } from '../release/release-json.ts';
import { referrersOf } from '../release/release-bundles.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { LayerStore } from '../store/layer-store.ts';

export interface ReleaseDeltasOptions {
  /** Without a key no deltas are made: devices would refuse them. */
  signKey?: SigningKey | undefined;
  /** Asked for once, where there is a delta to apply; our own decoder unless said otherwise. */
  openProver?: (() => Promise<Prover>) | undefined;
  progress: Progress;
  signal: AbortSignal;
}

/** From every release of `before` on each platform that both have; and from nothing where the configuration says so. */
export async function makeReleaseDeltas(
  { config, store }: { config: Config; store: LayerStore },
  release: Release,
  before: readonly Release[],
  directory: string,
  { signKey, openProver, progress, signal }: ReleaseDeltasOptions,
): Promise<ReleasedDelta[]> {
  if (before.length === 0 && !config.ota.full) return [];
  if (signKey === undefined) {
    progress.note('no deltas: there is no key to sign them (--sign-key FILE, or IMGBUILD_SIGNING_KEY)');
    return [];
  }
  const { bundleFileName, makeDelta } = await import('../delta/make.ts');
  const { withSharedTarget } = await import('../delta/share-target.ts');
  const { madeFrom } = await import('../delta/bundle/packages.ts');
  const { ownProver } = await import('../delta/prove.ts');
  const { nothing } = await import('../image-source/nothing.ts');
  const { openRelease } = await import('../image-source/release.ts');
  const { packages } = config.ota;
  const draft = withDraft(store, release) as LayerStore;
  const deltas: ReleasedDelta[] = [];
  let prover: Prover | undefined;
  for (const platform of new Set(release.images.map((image) => image.platform))) {
    const sources = before.filter(({ images }) => images.some((image) => image.platform === platform));
    const opened = [
      ...sources.map(
        ({ version }) =>
          () =>
            openRelease(store, version, parsePlatform(platform), directory),
      ),
      ...(config.ota.full ? [async () => nothing] : []),
    ];
    if (opened.length === 0) continue;
    const to = await openRelease(draft, release.version, parsePlatform(platform), directory);
    try {
      await withSharedTarget(to, opened.length, directory, async (shared, room) => {
        for (const open of opened) {
          const from = await open();
          try {
            const output = join(directory, bundleFileName(from, to, release.name));
            prover ??= await (openProver ?? ownProver)();
            const made = await makeDelta({
              from,
              to: shared,
              room,
              output,
              name: release.name,
              packages,
              signKey,
              prover,
              progress,
              signal,
            });
            const reads = madeFrom(made.packages);
            const delta: ReleasedDelta = {
              from: from.version ?? from.name,
              to: release.version,
              platform,
              file: basename(made.path),
              size: made.bytes,
              sha256: hexOf(made.digest),
              ...(made.needs > 1 ? { needs: made.needs } : {}),
              ...(reads === undefined ? {} : { packages: reads }),
            };
            const referrers = await referrersOf(store, release, delta);
            deltas.push(referrers === undefined ? delta : { ...delta, referrers });
          } finally {
            await from.close();
          }
        }
      });
    } finally {
      await to.close();
    }
  }
  return deltas;
}
