import type { StoredManifest } from '../oci/manifest.ts';
import type { Platform } from '../oci/platform.ts';
import { inputArtifact } from '../store/input-artifact.ts';
import { inputsTag } from '../store/layer-tags.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { saveWithInputs, type LayerSaved } from '../store/saved-layer.ts';
import { artifactFingerprint, packArtifactInputs, type ArtifactInput } from './input.ts';
import type { SavedArtifact } from './plan.ts';

export interface ArtifactToSave {
  /** As `store ls` shows it. */
  name: string;
  /** Its blobs are in the repository. */
  manifest: StoredManifest;
  inputs: readonly ArtifactInput[];
  /** Absent where it is for every platform. */
  platform?: Platform | undefined;
  /** Of the release that it is made for, if any. */
  version?: string | undefined;
  branch: string;
  revision?: string | undefined;
  run?: string | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Gives a saved artifact that was made for no release yet the version of the one that it is in first. Its bytes stay as they
 * are; of two releases at once the last word counts.
 */
export async function giveVersion(
  store: LayerStore,
  repository: string,
  { record, fingerprint }: SavedArtifact,
  version: string,
): Promise<void> {
  await store.putManifest(repository, inputsTag(fingerprint), inputArtifact({ ...record, version }));
}

/** Saves an artifact under its inputs' fingerprint, as a layer is saved: whoever has the same inputs finds it. */
export async function saveArtifact(
  store: LayerStore,
  repository: string,
  artifact: ArtifactToSave,
): Promise<LayerSaved & { fingerprint: string }> {
  const { name, manifest, inputs, platform, version, branch, revision, run, signal } = artifact;
  const fingerprint = artifactFingerprint(inputs);
  const saved = await saveWithInputs(store, repository, {
    layer: name,
    platform,
    fingerprint,
    image: manifest,
    parents: {},
    list: packArtifactInputs(inputs),
    version,
    branch,
    ...(revision === undefined ? {} : { revision }),
    ...(run === undefined ? {} : { run }),
    ...(signal === undefined ? {} : { signal }),
  });
  return { ...saved, fingerprint };
}
