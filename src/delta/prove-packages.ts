import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { SourcePackage } from '../image-source/image.ts';
import { oldVersion, type BundlePackage, type PackageChange } from './bundle/packages.ts';
import { openBundle, type Bundle } from './bundle/read.ts';
import { rebuildPackage } from './package-delta/decode.ts';
import { installedFiles, placedContents } from './package-delta/installed-files.ts';
import { removePackage, unpackPackage } from './package-delta/plain-package.ts';
import { nowhere } from './rebuild.ts';

export interface ReadCarriedOptions {
  /** Those of the old release, as far as they are known: deltas are applied to them. */
  from: readonly SourcePackage[] | undefined;
  /** A folder for temporary files. */
  temporary: string;
  signal: AbortSignal;
  /** Bytes that a delta may need; 64 MiB unless said otherwise. */
  memory?: number;
}

/** A package that a bundle lists, and whether it was made: of a delta, where its old version is at hand. */
export type ReadPackage = BundlePackage & { applied: boolean };

/** The packages that a bundle lists, once all that it carries of them has been read and is right. */
export async function readCarried(bundle: Bundle, options: ReadCarriedOptions): Promise<ReadPackage[]> {
  const packages: ReadPackage[] = [];
  for (const each of await bundle.packages()) {
    const { carried } = each;
    const old = carried.kind === 'delta' ? oldVersion(options.from, each, carried.from) : undefined;
    if (carried.kind === 'delta' && old !== undefined) await applyDelta(bundle, each, carried, old, options);
    else if (carried.kind !== 'reused') for await (const chunk of bundle.blob(carried.blob)) void chunk;
    packages.push({ ...each, applied: carried.kind === 'whole' || old !== undefined });
  }
  return packages;
}

async function applyDelta(
  bundle: Bundle,
  { name, version }: BundlePackage,
  { blob, plain }: Extract<BundlePackage['carried'], { kind: 'delta' }>,
  old: SourcePackage,
  { temporary, signal, memory }: ReadCarriedOptions,
): Promise<void> {
  const prefix = join(temporary, `package-${blob.digest.slice(7, 23)}`);
  const unpacked = await unpackPackage(old.bytes(), prefix);
  try {
    const files = new Map((await installedFiles(unpacked)).map((file) => [file.path, file]));
    const contents = ({ path }: { path: string }) => {
      const file = files.get(path);
      return file && placedContents(file);
    };
    const granted = memory === undefined ? {} : { memory };
    const what = `${name} ${version} of ${bundle.path}`;
    await rebuildPackage(bundle.blob(blob), nowhere, {
      what,
      plain,
      contents,
      temporary: `${prefix}-ranges`,
      signal,
      ...granted,
    });
  } finally {
    await removePackage(unpacked);
  }
}

/** Makes the packages of a finished bundle. Throws a Failure unless they are those of the release. */
export async function provePackages(
  path: string,
  changes: readonly PackageChange[],
  options: ReadCarriedOptions,
): Promise<void> {
  const bundle = await openBundle(path, options.signal);
  try {
    const packages = await readCarried(bundle, options);
    const isSame =
      packages.length === changes.length &&
      packages.every(({ sha256, carried, applied }, at) => {
        const wanted = changes[at]!;
        const isMade = carried.kind !== 'delta' || applied;
        return sha256 === wanted.package.sha256 && carried.kind === wanted.carried.kind && isMade;
      });
    if (isSame) return;
    throw new Failure({
      doing: `proving ${path}`,
      because: 'its packages are not those of the release',
      fix: 'report it with the two releases',
    });
  } finally {
    await bundle.close();
  }
}
