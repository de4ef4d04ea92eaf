import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { artifactFingerprint } from '../artifact/input.ts';
import { artifactManifest } from '../artifact/manifest.ts';
import { saveArtifact } from '../artifact/save.ts';
import type { Digest } from '../oci/digest.ts';
import { mediaType } from '../oci/media-type.ts';
import type { Progress } from '../progress.ts';
import { inMemoryBlob } from '../store/in-memory-blob.ts';
import { emptyBlob } from '../store/input-artifact.ts';
import type { LayerStore } from '../store/layer-store.ts';
import { findSaved } from '../store/saved-layer.ts';
import type { DecidedDeb } from './decide-debs.ts';
import { debArtifact } from './package-inputs.ts';
import type { PackedDeb } from './pack-debs.ts';
import { filesOf, partsKey, titleKey, versionKey, type SavedDebs, type SavedFile } from './saved-debs.ts';

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
