import type { Config, Layer } from '../config/config.ts';
import type { ImageTraits } from '../dockerfile/analysis.ts';
import type { PackageUse } from '../dockerfile/packages.ts';
import { Failures, type Failure } from '../failure.ts';
import type { FileHashes } from '../files/file-hashes.ts';
import type { Lock } from '../lock/lock.ts';
import type { Moved } from '../lock/moved.ts';
import { platformName } from '../oci/platform.ts';
import { findPackages, noPackages, type FoundPackages, type PackageFolderOptions } from '../packages/folder.ts';
import { packagesLockName, readPackagesLock, writePackagesLock } from '../packages/lock-file.ts';
import type { Chain } from '../plan/chain.ts';
import { analyseLink } from '../plan/layer-inputs.ts';
import type { Progress } from '../progress.ts';
import type { Project } from './open.ts';

export interface Packages {
  find(layer: Layer, uses: readonly PackageUse[]): Promise<FoundPackages>;
  /** Keeps the sums for the next time, and says once what packages.lock lacks. */
  save(): Promise<void>;
}

export interface PackagesOptions {
  checks: PackageFolderOptions['checks'];
  progress: Progress;
  signal?: AbortSignal | undefined;
}

async function openHashes(project: Pick<Project, 'config'>): Promise<FileHashes> {
  const { openCache } = await import('./models.ts');
  return (await openCache(project, process.env)).hashes();
}

/** The packages folders of a project. Of large files the sums are remembered, in the cache of this user. */
export async function openPackages({ config }: Pick<Project, 'config'>, options: PackagesOptions): Promise<Packages> {
  if (config.layers.every(({ packages }) => packages === undefined)) {
    return { find: () => Promise.resolve(noPackages), save: () => Promise.resolve() };
  }
  const { root } = config;
  const lock = await readPackagesLock(root);
  const unlocked = new Set<string>();
  let opened: Promise<FileHashes> | undefined;
  const hashes = () => (opened ??= openHashes({ config }));
  return {
    async find({ packages: folder }, uses) {
      if (folder === undefined || uses.length === 0) return noPackages;
      const found = await findPackages(uses, { root, folder, hashes, lock, ...options });
      for (const name of found.unlocked) unlocked.add(name);
      return found;
    },
    async save() {
      await (await opened)?.save();
      const [first] = unlocked;
      if (first === undefined || options.checks !== 'keep') return;
      const others = unlocked.size === 1 ? '' : ` and ${unlocked.size - 1} more`;
      options.progress.note(`${packagesLockName} lacks ${first}${others}: \`imgbuild lock\` writes it down`);
    },
  };
}

/**
 * Writes packages.lock anew: the sums of all files that the layers name. Returns what moved. Of a folder that this machine
 * has not got the lines stay. Throws Failures with every file that is not there.
 */
export async function relockPackages(
  config: Config,
  chain: Chain,
  lock: Lock,
  { progress, signal }: Pick<PackagesOptions, 'progress' | 'signal'>,
): Promise<Moved[]> {
  const before = await readPackagesLock(config.root);
  if (before.size === 0 && config.layers.every(({ packages }) => packages === undefined)) return [];
  const packages = await openPackages({ config }, { checks: 'rewrite', progress, signal });
  const traits = new Map<string, Map<string, { traits: ImageTraits }>>();
  const sums = new Map<string, string>();
  const failures = new Map<string, Failure>();
  for (const link of chain.links) {
    const platform = platformName(link.platform);
    const layers = traits.get(platform) ?? new Map<string, { traits: ImageTraits }>();
    traits.set(platform, layers);
    const analysis = analyseLink(link, { layers, lock });
    layers.set(link.layer.name, analysis);
    const found = await packages.find(link.layer, analysis.packages);
    for (const { name, sha256 } of found.files) sums.set(name, sha256);
    for (const failure of found.failures) failures.set(`${failure.at?.line} ${failure.message}`, failure);
  }
  await packages.save();
  if (failures.size > 0) throw new Failures([...failures.values()]);
  const moved = [...new Set([...before.keys(), ...sums.keys()])].toSorted().flatMap((name): Moved[] => {
    const from = before.get(name)?.sha256 ?? null;
    const to = sums.get(name) ?? null;
    return from === to ? [] : [{ kind: 'package', name, from, to }];
  });
  if (moved.length > 0) await writePackagesLock(config.root, sums);
  return moved;
}
