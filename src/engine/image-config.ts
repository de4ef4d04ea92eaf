import type { Digest } from '../oci/digest.ts';
import { isDigest, digestOf } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/manifest.ts';

/** Throws a RangeError on bytes that are no image config. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  let config: ImageConfig | null;
  try {
    config = JSON.parse(Buffer.from(bytes).toString('utf8')) as ImageConfig | null;
  } catch {
    throw new RangeError('the image config is not JSON');
  }
  const diffIds: unknown = config?.rootfs?.diff_ids ?? [];
  if (
    config === null ||
    typeof config.os !== 'string' ||
    !Array.isArray(diffIds) ||
    !diffIds.every((id) => isDigest(String(id)))
  ) {
    throw new RangeError('the image config has no operating system or no list of diffIDs');
  }
  return { ...config, rootfs: { type: 'layers', diff_ids: diffIds as Digest[] } };
}

/** Of every filesystem layer together with those below it. OCI image spec, config.md, "Layer ChainID". */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(`${below} ${diffId}`));
  }
  return chain;
}

export function beginsWith(diffIds: readonly Digest[], base: readonly Digest[]): boolean {
  return base.length <= diffIds.length && base.every((diffId, index) => diffIds[index] === diffId);
}
