import { basename } from 'node:path';
import { hexOf } from '../oci/digest.ts';
import type { SummarizedDelta } from '../report/github-summary.ts';

/** A delta as the output `deltas` has it. Sizes in bytes. */
export interface DeltaOutput {
  from: string;
  to: string;
  platform: string;
  file: string;
  /** Absolute. */
  path: string;
  size: number;
  sha256: string;
  /** What a pull of the same would move. */
  pull: number;
  /** Of `size` to `pull`, rounded to four digits; null where a pull would move nothing. */
  ratio: number | null;
  /** Every filesystem layer of every image, with what it takes in the delta and in a pull. */
  layers: { image: string; diffId: string; kind: 'reused' | 'delta' | 'whole'; size: number; pull: number }[];
  /** Names by digest of the artifacts in the registry; none unless it was published. */
  referrers: string[];
}

export function deltaOutput(delta: SummarizedDelta): DeltaOutput {
  const { from, to, platform, path, bytes, digest, pullBytes, images, published } = delta;
  return {
    from,
    to,
    platform,
    file: basename(path),
    path,
    size: bytes,
    sha256: hexOf(digest),
    pull: pullBytes,
    ratio: pullBytes === 0 ? null : Math.round((bytes / pullBytes) * 10_000) / 10_000,
    layers: images.flatMap(({ reference, config, layers }) =>
      layers.map(({ diffId, kind, bytes: size, pullBytes: pull }) => {
        return { image: reference ?? config, diffId, kind, size, pull };
      }),
    ),
    referrers: published.map(({ reference }) => reference),
  };
}
