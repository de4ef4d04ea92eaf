import { artifactFingerprint, type ArtifactInput } from '../artifact/input.ts';
import { planArtifact, type SavedArtifact } from '../artifact/plan.ts';
import { BrokenContent } from '../oci/broken-content.ts';
import { hexOf } from '../oci/digest.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { Reason } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { findSaved, lastSaved } from '../store/saved-layer.ts';
import type { Compressors } from './compressors.ts';
import type { FileOnDisk } from './entry.ts';
import type { PlannedDeb } from './planned-deb.ts';
import { packageInputs, partInput, type SumOf } from './package-inputs.ts';
import { debRepository } from './repository.ts';
import { filesOf, partsKey, versionKey, type SavedDebs, type SavedFile, type SavedPart } from './saved-debs.ts';
import { partName } from './split.ts';
import { compareDebianVersions, isPreRelease } from './version.ts';

/** A package and what the store has of it. */
export interface DecidedDeb {
  deb: PlannedDeb;
  /** Below the store. */
  repository: string;
  /** Of what is new to the store, asked for when it is packed: until then nobody may have read its files. */
  inputs: () => Promise<readonly ArtifactInput[]>;
  plan: DebDecision;
  /** Of how many packages it is the first; one where absent. */
  parts?: number;
  /** Told the sum (64 hex digits) of each file that is packed, so that it is not read again for it; absent where it is known. */
  learn?: (file: FileOnDisk, sha256: string) => void;
}

export type DebDecision =
  | { action: 'reuse'; saved: SavedArtifact; file: SavedFile; parts?: readonly SavedPart[] }
  /** `reasons`: at least one. */
  | { action: 'make'; reasons: Reason[] };

/**
 * Looks each package up by its inputs; the packages must be comparable. One whose inputs are those of a saved one is that
 * one, unless devices may have a newer version, which they would keep, or only pre-releases had it. Throws a Failure where
 * a file or the store cannot be read.
 */
export async function planSavedDebs(
  planned: readonly PlannedDeb[],
  saved: SavedDebs,
  compressors: Compressors,
  progress: Progress,
  signal?: AbortSignal,
): Promise<DecidedDeb[]> {
  const sumOf: SumOf = async ({ path, name }) => (await saved.hashes.of(path, name, progress, signal)).sha256;
  const groups = Map.groupBy(planned, ({ of, architecture }) => `${of} ${architecture}`);
  const decided: DecidedDeb[] = [];
  for (const parts of groups.values()) {
    const group: DecidedDeb[] = [];
    for (const deb of parts) {
      const repository = debRepository(deb.name);
      if (parts.length === 1 && (await isNew(saved.store, repository))) {
        group.push(await newDeb(deb, repository, saved, compressors, sumOf));
        continue;
      }
      const inputs = await packageInputs(deb, parts, sumOf, compressors);
      const plan = await planDeb(deb, repository, inputs, saved);
      group.push({ deb, repository, inputs: async () => inputs, plan: await withParts(deb, inputs, plan, saved) });
    }
    // Parts need each other in one version.
    const other = group.find(({ plan }) => plan.action === 'make');
    if (other !== undefined) {
      const detail = `${other.deb.name} is packed`;
      for (const each of group) each.plan = made(each.plan, detail);
    }
    decided.push(...group);
  }
  for (const [name, { by, version }] of demands(planned)) {
    for (const each of decided) {
      if (each.deb.name !== name || each.plan.action === 'make') continue;
      if (compareDebianVersions(each.plan.file.version, version) >= 0) continue;
      each.plan = made(each.plan, `${by} needs version ${version}`);
    }
  }
  await saved.hashes.save();
  return decided;
}

/**
 * Of a package whose files come later, the further parts that belong to the one that was found: all of the same version, or
 * it is packed anew.
 */
async function withParts(
  { name, later }: PlannedDeb,
  inputs: readonly ArtifactInput[],
  plan: DebDecision,
  { store }: SavedDebs,
): Promise<DebDecision> {
  if (later === undefined || plan.action === 'make') return plan;
  const count = Number(plan.saved.manifest.annotations?.[partsKey] ?? 1);
  const parts: SavedPart[] = [];
  for (let index = 1; index < count; index++) {
    const part = partName(name, index);
    const repository = debRepository(part);
    const found = await findSaved(store, repository, artifactFingerprint([...inputs, partInput(part)]));
    const files = found.kind === 'saved' ? filesOf(found.manifest) : [];
    const file = files.find(({ version }) => version === plan.file.version);
    if (file === undefined) return made(plan, `its part ${part} is gone`);
    parts.push({ name: part, repository, file });
  }
  return { ...plan, parts };
}

/** What is decided of a whole package, for each of the packages that it comes to when its files are here. */
export function decidedParts(decided: DecidedDeb, whole: readonly PlannedDeb[]): DecidedDeb[] {
  const { plan } = decided;
  if (plan.action === 'reuse') {
    const further = (plan.parts ?? []).map(({ name, repository, file }): DecidedDeb => {
      return { ...decided, deb: { ...decided.deb, name }, repository, plan: { ...plan, file } };
    });
    return [decided, ...further];
  }
  return whole.map((deb, index) => {
    if (index === 0) return { ...decided, deb, parts: whole.length };
    const inputs = async () => [...(await decided.inputs()), partInput(deb.name)];
    return { ...decided, deb, repository: debRepository(deb.name), inputs };
  });
}

/** Whether the store has nothing of a package, so that its files need not be read to see what it has. */
async function isNew(store: LayerStore, repository: string): Promise<boolean> {
  return (await store.listTags(repository)).length === 0;
}

async function newDeb(
  deb: PlannedDeb,
  repository: string,
  { hashes, force }: SavedDebs,
  compressors: Compressors,
  sumOf: SumOf,
): Promise<DecidedDeb> {
  await hashes.begin();
  const learnt = new Map<string, string>();
  const inputs = () => {
    const known: SumOf = async (file) => learnt.get(file.path) ?? sumOf(file);
    return packageInputs(deb, [deb], known, compressors);
  };
  const learn = (file: FileOnDisk, sha256: string) => {
    learnt.set(file.path, sha256);
    const { size, modified: mtimeNs, changed: ctimeNs, inode: ino, device: dev } = file.stamp;
    hashes.learn(file.path, { size, mtimeNs, ctimeNs, ino, dev }, sha256);
  };
  const reasons: Reason[] = force ? [{ kind: 'forced' }] : [{ kind: 'never-built' }];
  return { deb, repository, inputs, learn, plan: { action: 'make', reasons } };
}

async function planDeb(
  deb: PlannedDeb,
  repository: string,
  inputs: readonly ArtifactInput[],
  { store, branches, force, version, inRelease, before }: SavedDebs,
): Promise<DebDecision> {
  const platform = deb.image?.platform;
  const request = { store, repository, inputs, platform, branches, forced: force };
  const found = await planArtifact(request);
  if (found.action === 'make') return found;
  const files = filesOf(found.saved.manifest);
  const [newest] = files;
  if (newest === undefined) {
    const detail = 'it does not say which package it is';
    return { action: 'make', reasons: [{ kind: 'saved-broken', detail }] };
  }
  const released = files.find(({ blob }) => inRelease?.has(hexOf(blob.digest)) === true);
  if (released !== undefined) return { ...found, file: released };
  const plan: DebDecision = { ...found, file: newest };
  const own = newest.version;
  if (version !== undefined && compareDebianVersions(own, deb.version) > 0) {
    return made(plan, `what was saved has the newer version ${own}`);
  }
  const { version: since } = plan.saved;
  if (since !== undefined && isPreRelease(since) && version !== undefined && !isPreRelease(version)) {
    return made(plan, `only the pre-release ${since} had it`);
  }
  const last = await lastVersion(store, repository, branches, platform);
  // What is newer than this release is no device's that is to take it.
  const counts = last !== undefined && (version === undefined || compareDebianVersions(last, deb.version) <= 0);
  const newer = [counts ? last : undefined, await before?.(deb, since)].find(
    (other) => other !== undefined && compareDebianVersions(other, own) > 0,
  );
  if (newer === undefined) return plan;
  const anew = await planArtifact({ ...request, forced: true });
  const reasons =
    anew.action === 'make' ? anew.reasons.filter(({ kind }) => kind !== 'forced' && kind !== 'never-built') : [];
  const detail = `it is as in ${own} again, and devices may have ${newer}`;
  return { ...made(plan, detail), ...(reasons.length === 0 ? {} : { reasons }) };
}

/** The version, as dpkg writes it, of what was saved last. */
async function lastVersion(
  store: LayerStore,
  repository: string,
  branches: readonly string[],
  platform: NonNullable<PlannedDeb['image']>['platform'] | undefined,
): Promise<string | undefined> {
  for (const branch of branches) {
    const record = await lastSaved(store, repository, branch, platform);
    const stored = record && (await store.getManifest(repository, record.image.digest).catch(unlessBroken));
    const parsed = stored && parseManifest(stored.bytes, stored.descriptor.mediaType);
    if (parsed?.kind === 'image') return parsed.manifest.annotations?.[versionKey];
  }
  return undefined;
}

/** One that is damaged counts as gone. */
function unlessBroken(error: unknown): undefined {
  if (!(error instanceof BrokenContent)) throw error;
}

function made(plan: DebDecision, detail: string): Extract<DebDecision, { action: 'make' }> {
  if (plan.action === 'make') return plan;
  return { action: 'make', reasons: [{ kind: 'never-built', detail }] };
}

/** The newest version of each package that another one, of another declaration, needs. */
function demands(planned: readonly PlannedDeb[]): Map<string, { by: string; version: string }> {
  const found = new Map<string, { by: string; version: string }>();
  const ofNames = new Map(planned.map(({ name, of }) => [name, of]));
  for (const { name: by, of, control } of planned) {
    const fields = control.match(/^(?:Pre-)?Depends: .*$/gm) ?? [];
    for (const [, name, version] of fields
      .join(', ')
      .matchAll(/([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)? \((?:=|>=|>>) ([^)]+)\)/g)) {
      const before = found.get(name!);
      if (ofNames.get(name!) === of) continue;
      if (before === undefined || compareDebianVersions(version!, before.version) > 0) {
        found.set(name!, { by, version: version! });
      }
    }
  }
  return found;
}
