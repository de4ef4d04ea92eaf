import { openBundle } from '../../src/delta/bundle/read.ts';

/** Bytes of what codes the filesystem layers in a bundle: these, and the list of what they are made from. */
export async function codedLayerBytes(path: string): Promise<number> {
  const bundle = await openBundle(path, new AbortController().signal);
  try {
    let sum = 0;
    for (const { layers, sources } of await bundle.images()) {
      sum += sources?.size ?? 0;
      for (const { carried } of layers) if (carried.kind !== 'reused') sum += carried.blob.size;
    }
    return sum;
  } finally {
    await bundle.close();
  }
}
