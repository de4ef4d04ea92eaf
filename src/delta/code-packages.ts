import type { ImageSet } from '../image-source/image.ts';
import { packagePairs, type PackageChange } from './bundle/packages.ts';
import { encodePackage, type EncodePackageRequest } from './package-delta/encode.ts';

/** What devices with the old release get of the packages of the new one; undefined where nothing is said of packages. */
export async function codePackages(
  from: ImageSet,
  to: ImageSet,
  { prefix, progress, signal }: EncodePackageRequest,
): Promise<PackageChange[] | undefined> {
  const pairs = packagePairs(from, to);
  if (pairs === undefined) return undefined;
  const changes: PackageChange[] = [];
  for (const [at, pair] of pairs.entries()) {
    const request = { prefix: `${prefix}-${at}`, progress, signal };
    const delta =
      pair.isReused || pair.from === undefined ? undefined : await encodePackage(pair.from, pair.to, request);
    const kind = pair.isReused ? 'reused' : 'whole';
    changes.push({ package: pair.to, carried: delta === undefined ? { kind } : { kind: 'delta', delta } });
  }
  return changes;
}
