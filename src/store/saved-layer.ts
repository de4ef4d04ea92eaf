import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import { BrokenContent } from '../oci/broken-content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, type Digest } from '../oci/digest.ts';
import type { ImageManifest, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import type { Input } from '../plan/input.ts';
import { emptyBlob, inputArtifact, parseInputArtifact, type SavedRecord } from './input-artifact.ts';
import { inMemoryBlob } from './in-memory-blob.ts';
import { packInputs, unpackInputs } from './input-blob.ts';
import { inputsTag, lastTag, layerTag } from './layer-tags.ts';
import type { LayerStore } from './layer-store.ts';

/** What the store has under a fingerprint. Broken means: build it anew; the save replaces it. */
export type FoundLayer =
  | { kind: 'missing' }
  | { kind: 'broken'; why: string }
  | {
      kind: 'saved';
      digest: Digest;
      descriptor: Descriptor;
      manifest: ImageManifest;
      /** The digests of the parents' images that it was built on, by the layers' names. */
      parents: Record<string, Digest>;
      record: SavedRecord;
    };

/**
 * Looks a saved layer up by its manifests alone: no blob is read. Throws only when the store cannot be asked; what is
 * there and damaged is `broken`.
 */
export async function findSaved(store: LayerStore, repository: string, fingerprint: string): Promise<FoundLayer> {
  try {
    const [image, artifact] = await Promise.all([
      store.getManifest(repository, layerTag(fingerprint)),
      store.getManifest(repository, inputsTag(fingerprint)),
    ]);
    if (image === undefined) return { kind: 'missing' };
    if (artifact === undefined) return broken(`the input manifest ${inputsTag(fingerprint)} is missing`);
    const record = parseInputArtifact(artifact);
    if (record.fingerprint !== fingerprint) return broken(`its input manifest is that of ${record.fingerprint}`);
    if (record.image.digest !== image.descriptor.digest) {
      return broken(`its input manifest belongs to ${record.image.digest}, not to ${image.descriptor.digest}`);
    }
    const parsed = parseManifest(image.bytes, image.descriptor.mediaType);
    if (parsed.kind === 'index') return broken('the tag is on an index, not on an image of one platform');
    for (const blob of [parsed.manifest.config, ...parsed.manifest.layers, record.inputs]) {
      const fault = await store.blobFault?.(repository, blob);
      if (fault !== undefined) return broken(fault);
    }
    const { descriptor } = image;
    return {
      kind: 'saved',
      digest: descriptor.digest,
      descriptor,
      manifest: parsed.manifest,
      parents: record.parents,
      record,
    };
  } catch (error) {
    if (error instanceof BrokenContent) return broken(error.because);
    if (error instanceof RangeError) return broken(error.message);
    throw error;
  }
}

function broken(why: string): FoundLayer {
  return { kind: 'broken', why };
}

/** The inputs that a saved layer was built from; undefined when there is no readable list. */
export async function readInputs(
  store: LayerStore,
  repository: string,
  fingerprint: string,
): Promise<Input[] | undefined> {
  const record = await readRecord(store, repository, inputsTag(fingerprint));
  return record && readInputsOf(store, repository, record);
}

/** As readInputs, of a record that is known already: one blob. */
export async function readInputsOf<T extends { kind: string } = Input>(
  store: LayerStore,
  repository: string,
  record: SavedRecord,
): Promise<T[] | undefined> {
  try {
    return await unpackInputs<T>(await store.openBlob(repository, record.inputs));
  } catch (error) {
    if (error instanceof BrokenContent || error instanceof SyntaxError || isZlibError(error)) return undefined;
    throw error;
  }
}

/**
 * What was last saved from that branch on that platform; undefined when nothing was, or when it cannot be read. For
 * explanations, never for reuse. `among`: a layer, and the others that are saved in the same repository, whose records
 * are none of its own.
 */
export async function lastSaved(
  store: LayerStore,
  repository: string,
  branch: string,
  platform: Platform | undefined,
  among?: { layer: string; others: readonly string[] },
): Promise<SavedRecord | undefined> {
  if (among !== undefined && among.others.length > 0) {
    const own = await readRecord(store, repository, lastTag(branch, platform, among.layer));
    if (own !== undefined) return own;
  }
  const last = await readRecord(store, repository, lastTag(branch, platform));
  return last !== undefined && among?.others.includes(last.layer) ? undefined : last;
}

async function readRecord(store: LayerStore, repository: string, reference: string): Promise<SavedRecord | undefined> {
  try {
    const artifact = await store.getManifest(repository, reference);
    return artifact && parseInputArtifact(artifact);
  } catch (error) {
    if (error instanceof BrokenContent || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** An image or an artifact, and what it was made from. */
export interface ToSave {
  layer: string;
  /** Absent where it is for every platform. */
  platform?: Platform | undefined;
  fingerprint: string;
  /** The image; its blobs are in the repository. */
  image: StoredManifest;
  parents: Record<string, Digest>;
  /** The list of inputs as it is stored. */
  list: Uint8Array;
  version?: string | undefined;
  /** Moves `last-<branch>-…` along. */
  branch?: string;
  /** Whether other layers are saved in the repository too: then a `last-` tag of the layer's own is moved as well. */
  shared?: boolean;
  revision?: string;
  run?: string;
  savedAt?: Date;
  signal?: AbortSignal;
}

export type LayerToSave = Omit<ToSave, 'list'> & { platform: Platform; inputs: readonly Input[] };

export type LayerSaved = {
  /** `adopted`: somebody else saved the same fingerprint at the same time, and that image counts. */
  outcome: 'saved' | 'adopted';
  digest: Digest;
  descriptor: Descriptor;
};

/** Saves a built layer. */
export async function saveLayer(store: LayerStore, repository: string, layer: LayerToSave): Promise<LayerSaved> {
  const { inputs, ...rest } = layer;
  return saveWithInputs(store, repository, { ...rest, list: await packInputs(inputs) });
}

/**
 * Saves an image or artifact: the input manifest first, the `fp-` tag last, so that whoever finds the tag finds all of it.
 * There is no compare-and-swap on tags: the last put wins, and everyone takes what a read afterwards gives.
 */
export async function saveWithInputs(store: LayerStore, repository: string, layer: ToSave): Promise<LayerSaved> {
  const { fingerprint, image, signal, list } = layer;
  const record: SavedRecord = {
    layer: layer.layer,
    fingerprint,
    image: image.descriptor,
    parents: layer.parents,
    inputs: { mediaType: mediaType.inputs, digest: digestOf(list), size: list.length },
    savedAt: layer.savedAt ?? new Date(),
  };
  if (layer.platform !== undefined) record.platform = platformName(layer.platform);
  if (layer.version !== undefined) record.version = layer.version;
  if (layer.revision !== undefined) record.revision = layer.revision;
  if (layer.run !== undefined) record.run = layer.run;
  const artifact = inputArtifact(record);
  const options = signal === undefined ? {} : { signal };
  await store.putBlob(repository, inMemoryBlob(list), options);
  await store.putBlob(repository, inMemoryBlob(emptyBlob.bytes), options);
  await store.putManifest(repository, inputsTag(fingerprint), artifact);
  signal?.throwIfAborted();
  await store.putManifest(repository, layerTag(fingerprint), image);

  const settled = await settle(store, repository, fingerprint, { image, artifact }, signal);
  if (layer.branch !== undefined) {
    await store.putManifest(repository, lastTag(layer.branch, layer.platform), settled.artifact);
    if (layer.shared) {
      await store.putManifest(repository, lastTag(layer.branch, layer.platform, layer.layer), settled.artifact);
    }
  }
  const outcome = settled.image.digest === image.descriptor.digest ? 'saved' : 'adopted';
  return { outcome, digest: settled.image.digest, descriptor: settled.image };
}

/** Milliseconds that another writer gets to put its own input manifest back, in all about three seconds. */
const pauses = [20, 50, 100, 200, 400, 800, 1600];

/**
 * Reads back what the tags say and brings them together: of two writers at once one may have won the `fp-` tag and the
 * other the `inputs-` tag. Who knows the winner's artifact puts it back; who does not waits for the winner to do so, and
 * takes the tags for its own image when that one is gone.
 */
async function settle(
  store: LayerStore,
  repository: string,
  fingerprint: string,
  mine: { image: StoredManifest; artifact: StoredManifest },
  signal: AbortSignal | undefined,
): Promise<{ image: Descriptor; artifact: StoredManifest }> {
  const doing = `saving ${repository}:${layerTag(fingerprint)} in ${store.name}`;
  const known = new Map<Digest, StoredManifest>([[mine.image.descriptor.digest, mine.artifact]]);
  const waits = [...pauses];
  for (let attempt = 0; attempt < 3 * pauses.length; attempt++) {
    const image = await store.headManifest(repository, layerTag(fingerprint));
    if (image === undefined) {
      const because = 'the tag was put and is not there when it is read back';
      throw new Failure({ doing, because, fix: 'see whether something removes tags there, then run it again' });
    }
    const artifact = await store.getManifest(repository, inputsTag(fingerprint));
    const subject = artifact && subjectOf(artifact);
    if (artifact !== undefined && subject !== undefined) {
      known.set(subject, artifact);
      if (subject === image.digest) return { image, artifact };
    }
    const wanted = known.get(image.digest);
    const pause = waits.shift();
    if (wanted !== undefined) await store.putManifest(repository, inputsTag(fingerprint), wanted);
    else if (pause !== undefined) await sleep(pause, undefined, signal === undefined ? {} : { signal });
    else await store.putManifest(repository, layerTag(fingerprint), mine.image);
  }
  throw new Failure({
    doing,
    because: 'others keep saving the same layer, and its input manifest does not come to rest',
    fix: 'let one build of this layer finish, then run it again',
  });
}

function subjectOf(artifact: StoredManifest): Digest | undefined {
  try {
    return parseInputArtifact(artifact).image.digest;
  } catch {
    return undefined;
  }
}

function isZlibError(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' && (code.startsWith('ZSTD_') || code.startsWith('Z_') || code.startsWith('ERR_ZSTD'));
}
