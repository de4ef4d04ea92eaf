import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { planArtifact, type PlannedArtifact, type SavedArtifact } from '../artifact/plan.ts';
import { giveVersion, saveArtifact } from '../artifact/save.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import type { BlobSource, LayerStore } from '../store/layer-store.ts';
import { assembleModel, type AssembleOptions, type ModelFile } from './assemble.ts';
import { filesOf, packModel, type PackedFile } from './model-pack.ts';
import type { SurveyedModel } from './survey.ts';

/** A model and what the store has of it. */
export interface PlannedModel {
  surveyed: SurveyedModel;
  /** Below the store. */
  repository: string;
  plan: PlannedArtifact;
}

export interface PlanModelOptions {
  store: LayerStore;
  branches: readonly string[];
  force?: boolean;
}

export interface PublishOptions extends AssembleOptions {
  store: LayerStore;
  /** The branch that the next plan compares with. */
  branch: string;
  /** Of the release that it is for, and its tag. */
  version?: { text: string; tag: string } | undefined;
  revision?: string | undefined;
  /** Repositories of the store that may have the same files. */
  others: readonly string[];
}

export interface PublishedModel {
  name: string;
  repository: string;
  digest: Digest;
  fingerprint: string;
  /** Of the release that it was made for first; null while it was made for none. */
  version: string | null;
  outcome: 'published' | 'reused';
  files: PackedFile[];
  /** In bytes. */
  moved: { uploaded: number; mounted: number; present: number };
}

const readAhead = 256 * 1024;

export function modelRepository(name: string): string {
  return `models/${name}`;
}

/** Looks whether the store has the model as it is declared now. Nothing is fetched. */
export async function planModel(surveyed: SurveyedModel, options: PlanModelOptions): Promise<PlannedModel> {
  const repository = modelRepository(surveyed.model.name);
  const { store, branches, force = false } = options;
  const plan = await planArtifact({ store, repository, inputs: surveyed.inputs, branches, forced: force });
  return { surveyed, repository, plan };
}

/**
 * Saves a model as a ModelPack artifact, and puts the version's tag on it where it is made for its first release. What the
 * store has is neither fetched nor sent: a model that is unchanged moves nothing, of a changed one the changed files move.
 */
export async function publishModel(planned: PlannedModel, options: PublishOptions): Promise<PublishedModel> {
  const { surveyed, repository, plan } = planned;
  const { name } = surveyed.model;
  if (plan.action === 'reuse') return reuse(name, repository, plan.saved, options);
  const { store, signal } = options;
  const held = await heldFiles(store, repository, plan.former);
  const files = await assembleModel(surveyed, { ...options, held: (sha256) => held.get(sha256) });
  refuseTooLarge(store, name, files);
  const moved = { uploaded: 0, mounted: 0, present: 0 };
  for (const file of files) {
    signal?.throwIfAborted();
    await putFile(file, repository, options, moved);
  }
  const { license, format } = surveyed.model;
  const { manifest, config } = packModel({ name, license, format, files });
  await store.putBlob(repository, inMemoryBlob(config), signal === undefined ? {} : { signal });
  // Other inputs, same bytes: another address of a source, another pattern.
  const same = plan.former?.digest === manifest.descriptor.digest ? plan.former.version : undefined;
  const version = same ?? options.version?.text;
  const { branch, revision } = options;
  const { inputs } = surveyed;
  const saved = await saveArtifact(store, repository, { name, manifest, inputs, version, branch, revision, signal });
  if (options.version !== undefined && same === undefined) {
    await putTag(store, repository, saved.digest, options.version.tag);
  }
  await options.cache.save();
  const { digest, fingerprint } = saved;
  return { name, repository, digest, fingerprint, version: version ?? null, outcome: 'published', files, moved };
}

async function reuse(
  name: string,
  repository: string,
  saved: SavedArtifact,
  { store, version }: PublishOptions,
): Promise<PublishedModel> {
  const files = filesOf(saved.manifest);
  const moved = { uploaded: 0, mounted: 0, present: files.reduce((sum, { size }) => sum + size, 0) };
  if (saved.version === undefined && version !== undefined) {
    await putTag(store, repository, saved.digest, version.tag);
    await giveVersion(store, repository, saved, version.text);
  }
  const { digest, fingerprint } = saved;
  const kept = saved.version ?? version?.text ?? null;
  return { name, repository, digest, fingerprint, version: kept, outcome: 'reused', files, moved };
}

/** Sizes by sum of what the repository has of the former one. */
async function heldFiles(store: LayerStore, repository: string, former: SavedArtifact | undefined) {
  const held = new Map<string, number>();
  for (const { size, sha256 } of former === undefined ? [] : filesOf(former.manifest)) {
    const digest: Digest = `sha256:${sha256}`;
    const whole = (await store.blobFault?.(repository, { digest, size })) === undefined;
    if (whole && (await store.hasBlob(repository, digest))) held.set(sha256, size);
  }
  return held;
}

async function putFile(
  file: ModelFile,
  repository: string,
  { store, signal, others, progress, cache }: PublishOptions,
  moved: PublishedModel['moved'],
): Promise<void> {
  const { path, size, sha256 } = file;
  if (file.file === undefined) {
    moved.present += size;
    return;
  }
  const source = file.file;
  let transfer: ReturnType<typeof progress.transfer> | undefined;
  async function* bytes(offset: number): AsyncGenerator<Uint8Array> {
    transfer ??= progress.transfer(`saving ${path}`, size);
    for await (const chunk of createReadStream(source, { start: offset, highWaterMark: readAhead })) {
      transfer.add((chunk as Uint8Array).length);
      yield chunk as Uint8Array;
    }
  }
  const blob: BlobSource = {
    digest: `sha256:${sha256}`,
    size,
    open: (offset = 0) => Readable.from(bytes(offset)),
    file: source,
    ...(file.cached ? { disposable: true as const } : {}),
  };
  const mountFrom = others.filter((other) => other !== repository);
  try {
    const result = await store.putBlob(repository, blob, { mountFrom, ...(signal === undefined ? {} : { signal }) });
    if (result.outcome === 'uploaded') moved.uploaded += result.bytes;
    else moved[result.outcome] += size;
    // A folder store shares the file, and touches its times.
    if (file.cached) cache.hashes().remember(source, sha256);
  } finally {
    transfer?.end();
  }
}

async function putTag(store: LayerStore, repository: string, digest: Digest, tag: string): Promise<void> {
  const manifest = await store.getManifest(repository, digest);
  if (manifest !== undefined) await store.putManifest(repository, tag, manifest);
}

/** https://docs.github.com/packages: 10 GB a layer on ghcr.io. */
function refuseTooLarge(store: LayerStore, name: string, files: readonly PackedFile[]): void {
  const large = files.find(({ size }) => size > 10e9);
  if (large === undefined || !store.name.startsWith('ghcr.io/')) return;
  throw new Failure({
    doing: `publishing model ${name}`,
    because: `${large.path} has ${large.size} bytes, and ghcr.io takes at most 10 GB in one layer`,
    fix: 'split the weights into shards, or keep the store in another registry',
  });
}
