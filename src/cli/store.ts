import { Failure } from '../failure.ts';
import { isDigest } from '../oci/digest.ts';
import { openProject, type Project } from '../project/open.ts';
import { namedRepositories } from '../project/repositories.ts';
import type { Release } from '../release/release-json.ts';
import { listReleases, readRelease } from '../release/release-store.ts';
import { renderDamage, renderGarbage, renderRemoved, renderSaved } from '../report/store.ts';
import { decideGc, grace, type Removal } from '../store/gc.ts';
import { ghcrPackages, type GhcrPackages } from '../store/ghcr-packages.ts';
import { bytesOf, readInventory, type ReleaseNeeds } from '../store/inventory.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { tagKind } from '../store/layer-tags.ts';
import { LayoutStore } from '../store/layout.ts';
import { savedLayers } from '../store/list.ts';
import { RegistryStore } from '../store/registry.ts';
import { isPruneStore, removeFromFolder, removeFromGhcr, removeFromRegistry, type Removed } from '../store/remove.ts';
import { damagedTags, findFaults, type DamagedTag, type Faults } from '../store/verify.ts';
import type { AddCommand } from './command.ts';

export const addStore: AddCommand = (program, contextOf) => {
  const store = program.command('store').description('saved layers: list, check, remove what no release needs');

  store
    .command('ls')
    .description('list the saved layers: size, age, and which releases need them')
    .option('--json', 'print the list as one JSON document')
    .action(async (_options, command) => {
      const { json, stdout, progress, signal, ...place } = contextOf(command);
      const project = await openProject({ ...place, signal });
      const releases = await readReleases(project.store);
      const inventory = await readInventory(project.store, await repositoriesOf(project, releases, signal));
      const layers = savedLayers(inventory, releases.map(needsOf));
      const saved = inventory.items.filter(
        ({ kind, tags }) => kind === 'image' || tags.some((tag) => tagKind(tag) !== 'name'),
      );
      const bytes = bytesOf(saved);
      for (const { repository, tag, why } of inventory.broken) progress.warn(`${repository}:${tag} is damaged: ${why}`);
      if (json)
        stdout.write(
          `${JSON.stringify({ schema: 1, store: inventory.store, bytes, layers, broken: inventory.broken })}\n`,
        );
      else stdout.write(renderSaved(layers, bytes, inventory.store, new Date()));
    });

  store
    .command('verify')
    .description('check what is saved: every byte in a folder, what is missing in a registry')
    .option('--bytes', 'read every byte in a registry too')
    .option('--repair', 'take damaged layers out of a folder, so that the next build makes them anew')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (options: { bytes?: boolean; repair?: boolean }, command) => {
      const { json, stdout, progress, signal, ...place } = contextOf(command);
      const project = await openProject({ ...place, signal });
      const folder = project.store instanceof LayoutStore ? project.store : undefined;
      if (options.repair === true && folder === undefined) throw noRepair(project.store);
      const releases = await readReleases(project.store, 'skip');
      const inventory = await readInventory(project.store, await repositoriesOf(project, releases, signal));
      const bytes = folder !== undefined || options.bytes === true;
      const faults = await findFaults(project.store, inventory, { bytes, progress, signal });
      const damaged = damagedTags(inventory, faults);
      const repaired = options.repair === true && folder !== undefined ? await repair(folder, damaged, faults) : [];
      const checked = inventory.items.length;
      if (json) stdout.write(`${JSON.stringify({ schema: 1, store: inventory.store, checked, damaged, repaired })}\n`);
      else stdout.write(renderDamage(damaged, checked, inventory.store));
      for (const tag of repaired) progress.note(`removed ${tag}: the next build makes it anew`);
      const left = damaged.filter(({ repository, tag }) => !repaired.includes(`${repository}:${tag}`));
      if (left.length > 0) throw stillDamaged(project.store, left);
    });

  store
    .command('gc')
    .description(
      'remove saved layers that no release, no tag and none of the newest needs and that are older than a day',
    )
    .option('--keep <number>', 'the newest of each layer that stay', (text) => count(text), 10)
    .option('--yes', 'delete; without it only what would be removed is printed')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (options: { keep: number; yes?: boolean }, command) => {
      const { json, stdout, signal, ...place } = contextOf(command);
      const project = await openProject({ ...place, signal });
      const releases = await readReleases(project.store);
      const inventory = await readInventory(project.store, await repositoriesOf(project, releases, signal));
      const now = new Date();
      const decision = decideGc(inventory, releases.map(needsOf), { keep: options.keep, now, grace });
      if (!json) stdout.write(renderGarbage(decision, inventory.store, now));
      const removed = options.yes === true ? await remove(project.store, decision.removals, now, signal) : null;
      if (json) stdout.write(`${JSON.stringify({ schema: 1, store: inventory.store, ...decision, removed })}\n`);
      else if (removed !== null) stdout.write(renderRemoved(removed));
      else if (decision.removals.length > 0) stdout.write('nothing is deleted yet: say it with --yes\n');
    });
};

/**
 * Where a store cannot name its repositories: GitHub's API, where there is a token, and what configuration and releases
 * name.
 */
async function repositoriesOf(project: Project, releases: readonly Release[], signal: AbortSignal): Promise<string[]> {
  const { store } = project;
  if ((await store.listRepositories()) !== undefined) return [];
  const named = await namedRepositories(project, releases, process.env);
  if (!(store instanceof RegistryStore)) return named;
  const prefix = `${store.path}/`;
  const packages = packagesOf(store, signal);
  // A job's own token may not list what the owner has: what is named is there all the same.
  const listed = (await packages?.list().catch(() => [])) ?? [];
  signal.throwIfAborted();
  return [...listed.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length)), ...named];
}

function packagesOf(store: RegistryStore, signal: AbortSignal): GhcrPackages | undefined {
  const token = process.env['GITHUB_TOKEN'] || process.env['GH_TOKEN'];
  if (store.registry !== 'ghcr.io' || !token) return undefined;
  const api = process.env['GITHUB_API_URL'];
  return ghcrPackages({ owner: store.path.split('/')[0]!, token, signal, ...(api ? { api } : {}) });
}

/** Every release, yanked ones too. Throws when one cannot be read: it might need anything. `damaged`: unless it is. */
async function readReleases(store: LayerStore, damaged?: 'skip'): Promise<Release[]> {
  const releases: Release[] = [];
  for (const { version } of await listReleases(store)) {
    const found = await readRelease(store, version).catch((error: unknown) => {
      // The list of all that is there tells the rest.
      if (damaged !== 'skip' || !(error instanceof Failure || error instanceof RangeError)) throw error;
    });
    if (found !== undefined) releases.push(found.release);
  }
  return releases;
}

function needsOf(release: Release): ReleaseNeeds {
  // A package is named by the sum of its file, which is a blob of what is saved.
  const debs = release.debs.map(({ sha256 }) => `sha256:${sha256}`);
  return { version: release.version, digests: new Set([...digestsIn(release), ...debs]) };
}

function digestsIn(value: unknown): string[] {
  if (typeof value === 'string') return isDigest(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(digestsIn);
}

async function remove(
  store: LayerStore,
  removals: readonly Removal[],
  now: Date,
  signal: AbortSignal,
): Promise<Removed> {
  if (isPruneStore(store)) return removeFromFolder(store, removals, new Date(now.getTime() - grace));
  if (!(store instanceof RegistryStore)) {
    const fix = 'use the store itself, without a folder over it';
    throw new Failure({ doing: `removing from ${store.name}`, because: 'this store does not forget', fix });
  }
  if (store.registry !== 'ghcr.io') return removeFromRegistry(store, removals);
  const packages = packagesOf(store, signal);
  if (packages !== undefined) return removeFromGhcr(packages, store, removals);
  throw new Failure({
    doing: `removing from ${store.name}`,
    because: "ghcr.io deletes images only through GitHub's API, and there is no token for it",
    fix: 'set GITHUB_TOKEN to one with delete:packages; in a job, to ${{ github.token }} with `permissions: packages: write`',
  });
}

/** Returns the tags that were taken away. Somebody's own tags stay, and so do blobs that they name and nothing else has. */
async function repair(store: LayoutStore, damaged: readonly DamagedTag[], faults: Faults): Promise<string[]> {
  const repaired: string[] = [];
  for (const { repository, tag, kind } of damaged) {
    if (kind === 'named') continue;
    await store.removeTag(repository, tag);
    repaired.push(`${repository}:${tag}`);
  }
  // A blob that is gone is written anew by whoever saves it next; one that is damaged would be taken for present.
  for (const { blob } of faults.values()) await store.removeBlob(blob);
  return repaired;
}

function noRepair(store: LayerStore): Failure {
  return new Failure({
    doing: `repairing ${store.name}`,
    because: 'only a folder can be repaired from here',
    fix: 'delete the damaged versions in the registry; the next build makes them anew',
    kind: 'input',
  });
}

function stillDamaged(store: LayerStore, left: readonly DamagedTag[]): Failure {
  const named = left.filter(({ kind }) => kind === 'named').map(({ repository, tag }) => `${repository}:${tag}`);
  return new Failure({
    doing: `checking ${store.name}`,
    because: `${left.length} ${left.length === 1 ? 'tag stands' : 'tags stand'} on damaged content`,
    fix:
      named.length === 0
        ? '`imgbuild store verify --repair`, then build again'
        : `\`imgbuild store verify --repair\`, then build again and put ${named.slice(0, 3).join(', ')} anew (\`imgbuild push\`)`,
  });
}

function count(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new Failure({
    doing: 'reading --keep',
    because: `${JSON.stringify(text)} is not a number`,
    fix: 'write how many of each layer stay, as in --keep 10',
    kind: 'input',
  });
}
