import { BrokenContent } from '../oci/broken-content.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageManifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { Platform } from '../oci/platform.ts';
import type { Reason } from '../plan/plan.ts';
import type { SavedRecord } from '../store/input-artifact.ts';
import { findSaved, lastSaved, readInputsOf } from '../store/saved-layer.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { artifactFingerprint, type ArtifactInput } from './input.ts';
import { artifactReasons } from './reasons.ts';

/** An artifact as the store has it. */
export interface SavedArtifact {
  fingerprint: string;
  digest: Digest;
  manifest: ImageManifest;
  /** Of the release that it was made for first; undefined while it was made for none. */
  version: string | undefined;
  record: SavedRecord;
}

/** Whether an artifact is there as it is declared now; else what makes it another one. */
export type PlannedArtifact =
  | { action: 'reuse'; fingerprint: string; saved: SavedArtifact }
  | {
      action: 'make';
      fingerprint: string;
      /** The one that was saved last, which the reasons compare with. */
      former: SavedArtifact | undefined;
      /** At least one. */
      reasons: Reason[];
    };

export interface ArtifactRequest {
  store: LayerStore;
  repository: string;
  inputs: readonly ArtifactInput[];
  /** Absent where it is for every platform. */
  platform?: Platform | undefined;
  /** Whose last artifacts reasons compare with, the first that has one; explanation only, never reuse. */
  branches: readonly string[];
  forced?: boolean;
}

/**
 * Looks an artifact up by its inputs, as a layer is: two manifests decide, and no blob is read. Throws a Failure when the
 * store cannot be asked.
 */
export async function planArtifact(request: ArtifactRequest): Promise<PlannedArtifact> {
  const { store, repository, inputs, forced = false } = request;
  const fingerprint = artifactFingerprint(inputs);
  const found = await findSaved(store, repository, fingerprint);
  if (found.kind === 'saved' && !forced) {
    const { digest, manifest, record } = found;
    return { action: 'reuse', fingerprint, saved: { fingerprint, digest, manifest, version: record.version, record } };
  }
  const last = await formerOf(request);
  const reasons: Reason[] = [];
  if (forced) reasons.push({ kind: 'forced' });
  if (found.kind === 'broken') reasons.push({ kind: 'saved-broken', detail: found.why });
  if (last !== undefined) reasons.push(...artifactReasons(last.inputs, inputs));
  if (reasons.length === 0) {
    const gone = last === undefined ? {} : { detail: 'what was saved for these inputs is gone' };
    reasons.push({ kind: 'never-built', ...gone });
  }
  return { action: 'make', fingerprint, former: last?.saved, reasons };
}

async function formerOf({ store, repository, branches, platform }: ArtifactRequest) {
  for (const branch of new Set(branches)) {
    const record = await lastSaved(store, repository, branch, platform);
    const inputs = record && (await readInputsOf<ArtifactInput>(store, repository, record));
    if (record === undefined || inputs === undefined) continue;
    const stored = await store.getManifest(repository, record.image.digest).catch(unlessBroken);
    const parsed = stored && parseManifest(stored.bytes, stored.descriptor.mediaType);
    if (parsed?.kind !== 'image') continue;
    const { fingerprint, image, version } = record;
    const saved: SavedArtifact = { fingerprint, digest: image.digest, manifest: parsed.manifest, version, record };
    return { saved, inputs };
  }
  return undefined;
}

/** A former artifact that is damaged explains nothing. */
function unlessBroken(error: unknown): undefined {
  if (!(error instanceof BrokenContent)) throw error;
}
