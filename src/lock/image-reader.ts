import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageConfig, StoredManifest } from '../oci/manifest.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import { platformName, samePlatform, type Platform } from '../oci/platform.ts';
import type { LockedPlatform } from './lock.ts';

/** Manifests and image configs of one repository, wherever it is. Everything given out is checked by its digest. */
export interface ImageReader {
  /** By tag or digest; undefined when there is none. */
  getManifest(reference: string): Promise<StoredManifest | undefined>;
  /** A whole blob of at most a few MiB. */
  getBlob(blob: Descriptor): Promise<Uint8Array>;
}

/** What of an image decides what its children copy or run. */
export function traitsOf(config: ImageConfig): Pick<LockedPlatform, 'env' | 'workdir' | 'onbuild'> {
  const { Env, WorkingDir, OnBuild } = config.config ?? {};
  return { env: Env ?? [], ...(WorkingDir ? { workdir: WorkingDir } : {}), onbuild: OnBuild ?? [] };
}

/**
 * One platform of the image under `root`, an index or a manifest. A manifest that stands alone is taken whatever its
 * config says, as builders do. Throws a Failure when an index has nothing for the platform.
 */
export async function lockPlatform(
  reader: ImageReader,
  root: StoredManifest,
  platform: Platform,
  name: string,
): Promise<LockedPlatform> {
  const manifest = await manifestFor(reader, root, platform, name);
  const parsed = parseManifest(manifest.bytes, manifest.descriptor.mediaType);
  if (parsed.kind !== 'image') throw broken(name, `${manifest.descriptor.digest} is an index inside an index`);
  const config = JSON.parse(new TextDecoder().decode(await reader.getBlob(parsed.manifest.config))) as ImageConfig;
  if (!Array.isArray(config.rootfs?.diff_ids)) throw broken(name, 'it is an artifact, not an image');
  return { identity: { kind: 'manifest', digest: manifest.descriptor.digest }, ...traitsOf(config) };
}

/** The digest of an index; null for an image of one platform. */
export function indexDigest(root: StoredManifest): Digest | null {
  return parseManifest(root.bytes, root.descriptor.mediaType).kind === 'index' ? root.descriptor.digest : null;
}

async function manifestFor(
  reader: ImageReader,
  root: StoredManifest,
  platform: Platform,
  name: string,
): Promise<StoredManifest> {
  const parsed = parseManifest(root.bytes, root.descriptor.mediaType);
  if (parsed.kind === 'image') return root;
  const images = parsed.manifest.manifests.filter((each) => each.platform?.os !== 'unknown');
  const chosen = images.find((each) => each.platform !== undefined && samePlatform(each.platform, platform));
  if (!chosen) {
    const has = images.map((each) => (each.platform ? platformName(each.platform) : each.digest)).join(', ');
    throw new Failure({
      doing: `locking ${name}`,
      because: `it has no image for ${platformName(platform)}`,
      fix: has === '' ? 'choose another base' : `it has ${has}: build for these, or choose another base`,
      kind: 'input',
    });
  }
  const found = await reader.getManifest(chosen.digest);
  if (!found) throw broken(name, `its index names ${chosen.digest}, which is not there`);
  return found;
}

function broken(name: string, because: string): Failure {
  return new Failure({ doing: `locking ${name}`, because, fix: 'choose another base, or have it published anew' });
}
