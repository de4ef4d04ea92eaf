import { createReadStream } from 'node:fs';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { artifactFingerprint, type ArtifactInput } from '../artifact/input.ts';
import { artifactManifest } from '../artifact/manifest.ts';
import { planArtifact, type SavedArtifact } from '../artifact/plan.ts';
import { restoreFile } from '../artifact/restore.ts';
import { saveArtifact } from '../artifact/save.ts';
import type { FileHashes } from '../files/file-hashes.ts';
import { missingOrThrow } from '../files/unreadable.ts';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { hexOf, type Digest } from '../oci/digest.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { Reason } from '../plan/plan.ts';
import type { Progress } from '../progress.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import { emptyBlob } from '../store/input-artifact.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { findSaved, lastSaved } from '../store/saved-layer.ts';
import type { Compressors } from './compressors.ts';
import type { FileOnDisk } from './entry.ts';
import type { PlannedDeb } from './layout.ts';
import { debArtifact, packageInputs, partInput, type SumOf } from './package-inputs.ts';
import type { PackedDeb } from './pack-debs.ts';
import { debRepository } from './repository.ts';
import { partName } from './split.ts';
import { compareDebianVersions, isPreRelease } from './version.ts';

/** Where packages are saved by their inputs. */
export interface SavedDebs {
  store: LayerStore;
  /** Whose last packages count as those that devices may have, the first that has one. */
  branches: readonly string[];
  /** The release that new packages are saved for; where absent, they are not saved: their version is that of no release. */
  version?: string | undefined;
  /** The sha256 (hex) of the packages of that release, where it is there already: what is saved and in it stays. */
  inRelease?: ReadonlySet<string>;
  /** The highest version of a package, as dpkg writes it, in the releases below that one and above `since`. */
  before?: (deb: Pick<PlannedDeb, 'name' | 'architecture'>, since: string | undefined) => Promise<string | undefined>;
  revision?: string | undefined;
  /** Sums of files that were read before. */
  hashes: FileHashes;
  /** Pack every package anew. */
  force: boolean;
}

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

/** A package as the store has it. */
export interface SavedFile {
  /** As dpkg writes it. */
  version: string;
  fileName: string;
  blob: Descriptor;
}

/** A further part of a package whose parts are known when its files are here. */
export interface SavedPart {
  name: string;
  repository: string;
  file: SavedFile;
}

const versionKey = 'org.opencontainers.image.version';
const partsKey = 'vnd.imgbuild.parts';
const titleKey = 'org.opencontainers.image.title';

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

/** The packages of the same inputs, the newest first; none where that does not say which package it is. */
function filesOf({ layers, annotations }: ImageManifest): SavedFile[] {
  const files = layers.map((blob, index): SavedFile | undefined => {
    const version = blob.annotations?.[versionKey] ?? (index === 0 ? annotations?.[versionKey] : undefined);
    const fileName = blob.annotations?.[titleKey];
    if (version === undefined || fileName === undefined || basename(fileName) !== fileName) return undefined;
    return { version, fileName, blob };
  });
  return files[0] === undefined ? [] : files.filter((file) => file !== undefined);
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

/** Writes a saved package into the folder, unless it lies there, with the name and the version that it was packed with. */
export async function restoreDeb(
  repository: string,
  { version, fileName, blob }: SavedFile,
  { store, hashes }: SavedDebs,
  to: { deb: PlannedDeb; directory: string; staged: boolean; progress: Progress; signal: AbortSignal },
): Promise<PackedDeb> {
  const { deb, directory, staged, progress, signal } = to;
  const file = join(directory, fileName);
  const sha256 = hexOf(blob.digest);
  const there = await hashes.known(file).catch(missingOrThrow(file));
  if (there?.sha256 !== sha256) {
    await restoreFile(store, repository, blob, file, { name: fileName, progress, signal });
    if (!staged) await hashes.remember(file, sha256);
  }
  const { name, architecture } = deb;
  return { name, file, version, architecture, size: blob.size, sha256 };
}

/** The branch that new packages are saved for; undefined where none is saved: there is no release, or it is there already. */
export function branchToSaveOn({ version, branches }: SavedDebs): string | undefined {
  return version === undefined ? undefined : branches[0];
}

/** Keeps a package for the releases to come. */
export async function saveDeb(
  decided: DecidedDeb,
  packed: PackedDeb,
  saved: SavedDebs,
  { progress, signal }: { progress: Progress; signal: AbortSignal },
): Promise<void> {
  const branch = branchToSaveOn(saved);
  if (branch === undefined) return;
  const { deb, repository } = decided;
  const { store, version, revision } = saved;
  const digest: Digest = `sha256:${packed.sha256}`;
  const { file, size } = packed;
  const config = inMemoryBlob(emptyBlob.bytes);
  await store.putBlob(repository, config, { signal });
  let transfer: ReturnType<Progress['transfer']> | undefined;
  async function* bytes(start: number): AsyncGenerator<Uint8Array> {
    transfer ??= progress.transfer(`saving ${basename(file)}`, size);
    for await (const chunk of createReadStream(file, { start, highWaterMark: 256 * 1024 })) {
      transfer.add((chunk as Uint8Array).length);
      yield chunk as Uint8Array;
    }
  }
  try {
    const open = (start = 0) => Readable.from(bytes(start));
    await store.putBlob(repository, { digest, size, file, open }, { signal });
  } finally {
    transfer?.end();
  }
  const platform = deb.image?.platform;
  const { name } = deb;
  const inputs = await decided.inputs();
  const own: SavedFile = {
    version: packed.version,
    fileName: basename(file),
    blob: { mediaType: debArtifact, digest, size },
  };
  const former = await formerFiles(store, repository, artifactFingerprint(inputs), own);
  const manifest = artifactManifest({
    artifactType: debArtifact,
    config: { mediaType: mediaType.empty, digest: config.digest, size: config.size },
    layers: [own, ...former].map(({ version: of, fileName, blob }) => {
      return { ...blob, annotations: { [titleKey]: fileName, [versionKey]: of } };
    }),
    annotations: {
      [versionKey]: packed.version,
      ...(decided.parts === undefined || decided.parts === 1 ? {} : { [partsKey]: String(decided.parts) }),
    },
  });
  await saveArtifact(store, repository, { name, manifest, inputs, platform, version, branch, revision, signal });
}

/**
 * What was packed of the same inputs before, for releases that have it: a release that is run again finds its own
 * package here, and no collection of garbage takes it away.
 */
async function formerFiles(
  store: LayerStore,
  repository: string,
  fingerprint: string,
  own: SavedFile,
): Promise<SavedFile[]> {
  const found = await findSaved(store, repository, fingerprint);
  if (found.kind !== 'saved') return [];
  const others = filesOf(found.manifest).filter(({ fileName }) => fileName !== own.fileName);
  const there = await Promise.all(others.map(({ blob }) => store.hasBlob(repository, blob.digest)));
  return others.filter((_, index) => there[index]);
}
