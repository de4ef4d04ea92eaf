import { Failure } from '../failure.ts';
import type { BundlePackage, PackageChange } from './bundle/packages.ts';
import { openBundle, type Bundle } from './bundle/read.ts';

/** The packages that a bundle lists, once the files of those that it carries have been read and are right. */
export async function readCarried(bundle: Bundle): Promise<BundlePackage[]> {
  const packages = await bundle.packages();
  for (const { blob } of packages) {
    if (blob === undefined) continue;
    for await (const chunk of bundle.blob(blob)) void chunk;
  }
  return packages;
}

/** Reads the packages of a finished bundle. Throws a Failure unless they are those of the release. */
export async function provePackages(
  path: string,
  changes: readonly PackageChange[],
  signal: AbortSignal,
): Promise<void> {
  const bundle = await openBundle(path, signal);
  try {
    const key = (sha256: string, carried: boolean) => `${sha256} ${carried}`;
    const packages = await readCarried(bundle);
    const listed = packages.map(({ sha256, blob }) => key(sha256, blob !== undefined));
    if (listed.join() === changes.map((each) => key(each.package.sha256, each.carried)).join()) return;
    throw new Failure({
      doing: `proving ${path}`,
      because: 'its packages are not those of the release',
      fix: 'report it with the two releases',
    });
  } finally {
    await bundle.close();
  }
}
