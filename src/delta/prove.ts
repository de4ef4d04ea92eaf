import { Failure } from '../failure.ts';
import type { SourcePackage } from '../image-source/image.ts';
import type { Progress } from '../progress.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { PackageChange } from './bundle/packages.ts';
import { openBundle } from './bundle/read.ts';
import type { ImagePair } from './encode-image.ts';
import { provePackages } from './prove-packages.ts';
import { rebuildAll } from './verify.ts';

/** What has applied a bundle before it got its name. Neither needs an engine: filesystem layers are rebuilt and hashed. */
export type Decoder =
  /** Ours, of TypeScript. `because`: why not the device program, where that was to be it. */
  | { name: 'imgbuild'; because?: string }
  /** The program that devices have, of an imgbuild release. `sha256`: of the file, in hex. */
  | { name: 'imgbuild-ota'; version: string; sha256: string };

/** A finished bundle that has not got its name yet. */
export interface UnprovenBundle {
  path: string;
  /** In the bundle's order. */
  pairs: readonly ImagePair[];
  /** What it says of packages, in its order, and those of the old release; undefined where it says nothing. */
  packages: { changes: readonly PackageChange[]; from: readonly SourcePackage[] | undefined } | undefined;
  /** That has signed it. */
  signKey: SigningKey | undefined;
  /** A folder for temporary files, which is removed afterwards. */
  temporary: string;
  progress: Progress;
  signal: AbortSignal;
}

/** Applies a finished bundle to the old images and packages. Throws a Failure unless what it makes is the new ones. */
export interface Prover {
  decoder: Decoder;
  /** Whether it reads the filesystem layers that were kept; they are gone before it starts otherwise. */
  readsOldTars: boolean;
  prove(bundle: UnprovenBundle): Promise<void>;
}

/** By the decoder that `ota apply` and `ota verify` have. */
export function ownProver(because?: string): Prover {
  const decoder = { name: 'imgbuild' as const, ...(because === undefined ? {} : { because }) };
  return { decoder, readsOldTars: true, prove: rebuildHere };
}

async function rebuildHere({ path, pairs, packages, temporary, progress, signal }: UnprovenBundle): Promise<void> {
  const bundle = await openBundle(path, signal);
  try {
    const images = await bundle.images();
    for (const [at, image] of images.entries()) {
      const { from, to, kept } = pairs[at]!;
      // All of them were read and checked to make the bundle.
      const source = from && kept && { ...from, layers: kept.layers };
      const isChecked = source !== undefined;
      await rebuildAll(bundle, image, source ?? from, temporary, progress, { signal, isChecked });
      const same =
        image.config.bytes.equals(to.config.bytes) &&
        image.layers.length === to.layers.length &&
        image.layers.every((layer, each) => layer.diffId === to.layers[each]!.diffId);
      if (!same) throw notProven(path, `what it makes is not ${to.name}`);
    }
  } finally {
    await bundle.close();
  }
  if (packages !== undefined) await provePackages(path, packages.changes, { from: packages.from, temporary, signal });
}

export function notProven(path: string, because: string): Failure {
  return new Failure({ doing: `proving ${path}`, because, fix: 'report it with the two images' });
}
