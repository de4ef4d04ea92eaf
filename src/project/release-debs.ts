import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { packDebs, sourceDateOf, type PackedDeb } from '../deb/pack-debs.ts';
import { parsePlatform } from '../oci/platform.ts';
import type { Progress } from '../progress.ts';
import type { ReleasedDeb, ReleasedImage } from '../release/release-json.ts';
import { listReleases, readRelease } from '../release/release-store.ts';
import { compareVersions, type Version } from '../release/version.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { nameAsAssets } from './asset-names.ts';
import { modelDebs } from './model-debs.ts';
import type { Project } from './open.ts';
import { openSavedDebs } from './saved-debs.ts';
import { imageReference } from './saved-images.ts';

export interface ReleaseDebsOptions {
  version: Version;
  /** Absolute: where the packages go until the release is whole. */
  directory: string;
  images: readonly ReleasedImage[];
  /** The other releases. */
  others: readonly Version[];
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal: AbortSignal;
}

/**
 * Packs the packages of a release, or takes them from the store. For a release that is there already the same content
 * gives the packages that it has, also those that it took from a release before.
 */
export async function packReleaseDebs(project: Project, options: ReleaseDebsOptions): Promise<ReleasedDeb[]> {
  const { config, store } = project;
  const { version, directory, images, others, env, progress, signal } = options;
  const models = await modelDebs(project, { env, progress, signal });
  if (config.debs.length + models.length === 0) return [];
  const sourceDate = sourceDateOf(env);
  const pack = async (as: Version, only: readonly string[] | undefined) =>
    packDebs({
      config,
      version: as,
      images: images.map(({ layer, platform, config: digest, repository }) => ({
        layer,
        platform: parsePlatform(platform),
        config: digest,
        reference: imageReference(config.store, repository, as),
      })),
      others,
      only,
      models,
      directory,
      staged: true,
      saved: await openSavedDebs(project, { version: as, force: false, env, signal }),
      env,
      progress,
      signal,
      ...(sourceDate === undefined ? {} : { sourceDate }),
    });
  const packed = await pack(version, undefined);
  const released = (await readRelease(store, version))?.release.debs ?? [];
  for (const [index, deb] of packed.entries()) {
    const wanted = released.find((each) => isSame(each, deb));
    if (wanted === undefined || wanted.sha256 === deb.sha256) continue;
    // The store has lost it: what was packed for the release that had it first is packed for that once more.
    const first = await firstWith(store, wanted, version);
    if (first === undefined || first === version) continue;
    const whole = deb.name.replace(/-part[0-9]+$/, '');
    const anew = await pack(first, [packed.some(({ name }) => name === whole) ? whole : deb.name]);
    const again = anew.find((each) => isSame(each, deb));
    const isIt = again?.sha256 === wanted.sha256;
    const kept = new Set(packed.map(({ file }) => file));
    for (const { file } of anew) if (!kept.has(file) && !(isIt && file === again.file)) await rm(file);
    if (!isIt) continue;
    if (again.file !== deb.file) await rm(deb.file);
    packed[index] = again;
  }
  return (await nameAsAssets(packed)).map(({ name, file, version: debVersion, architecture, size, sha256 }) => {
    return { name, version: debVersion, architecture, file: basename(file), size, sha256 };
  });
}

function isSame(a: Pick<ReleasedDeb, 'name' | 'architecture'>, b: Pick<PackedDeb, 'name' | 'architecture'>): boolean {
  return a.name === b.name && a.architecture === b.architecture;
}

/** The lowest release, this one at most, that has this very file. */
async function firstWith(store: LayerStore, deb: ReleasedDeb, version: Version): Promise<Version | undefined> {
  for (const each of await listReleases(store)) {
    if (compareVersions(each.version, version) > 0) return undefined;
    const found = await readRelease(store, each.version);
    if (found?.release.debs.some(({ sha256 }) => sha256 === deb.sha256) === true) return each.version;
  }
  return undefined;
}
