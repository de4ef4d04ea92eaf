import * as z from 'zod';
import type { ImageSet, SourcePackage } from '../../image-source/image.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, isDigest, type Digest } from '../../oci/digest.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { mediaType } from '../../oci/media-type.ts';
import { blobName, emptyConfig, emptyDescriptor } from './format.ts';
import { memberOf } from './member.ts';
import type { Prepared } from './write.ts';

/** A further manifest of index.json: the list of a release's packages, and the files of those that changed. */
export const packagesArtifactType = 'application/vnd.imgbuild.packages.v1';
const listType = 'application/vnd.imgbuild.packages.v1+json';
const packageType = 'application/vnd.debian.binary-package';

/** A package that belongs to the release of a bundle. */
export interface BundlePackage extends Omit<SourcePackage, 'bytes'> {
  /** Its file in the bundle; undefined where the device has it. */
  blob: Descriptor | undefined;
}

/** What devices get of a release's packages. */
export interface PackageChange {
  package: SourcePackage;
  /** Whether the old release lacks this very file. */
  carried: boolean;
}

/** Undefined where the two are not releases: then nothing is said of packages. From nothing all of them are carried. */
export function packageChanges(from: ImageSet, to: ImageSet): PackageChange[] | undefined {
  const isFull = from.images.length === 0;
  if (to.packages === undefined || to.packages.length === 0) return undefined;
  if (from.packages === undefined && !isFull) return undefined;
  const known = new Set(from.packages?.map(({ sha256 }) => sha256));
  return to.packages.map((each) => ({ package: each, carried: !known.has(each.sha256) }));
}

/** The manifest and the members that a bundle gets for packages: documents first, files of packages behind all layers. */
export function packagesPart(changes: readonly PackageChange[]): Prepared {
  const list = {
    schema: 1,
    packages: changes.map(({ package: { name, version, architecture, size, sha256 } }) => {
      return { name, version, architecture, size, sha256 };
    }),
  };
  const listBytes = Buffer.from(JSON.stringify(list));
  const carried = changes.flatMap((each) => (each.carried ? [each.package] : []));
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: packagesArtifactType,
    config: emptyDescriptor,
    layers: [
      { mediaType: listType, digest: digestOf(listBytes), size: listBytes.length },
      ...carried.map(({ size, sha256 }) => ({ mediaType: packageType, digest: digestOfHex(sha256), size })),
    ],
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  return {
    descriptor: { mediaType: mediaType.manifest, digest, size: bytes.length, artifactType: packagesArtifactType },
    documents: [
      memberOf(blobName(digest), bytes),
      memberOf(blobName(emptyDescriptor.digest), emptyConfig),
      memberOf(blobName(digestOf(listBytes)), listBytes),
    ],
    layers: carried.map(({ size, sha256, bytes: open }) => ({ name: blobName(digestOfHex(sha256)), size, open })),
    last: [],
  };
}

const text = z.string().max(256);
const size = z.int().min(0);
const manifestSchema = z.object({
  artifactType: z.literal(packagesArtifactType),
  layers: z.array(z.object({ mediaType: text, digest: z.string().refine((value) => isDigest(value)), size })),
});
const listSchema = z.object({
  schema: z.literal(1),
  packages: z.array(
    z.object({ name: text, version: text, architecture: text, size, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

/** Reads manifest and list with `document`, which checks digests. Throws a RangeError that says what is wrong. */
export async function readPackages(
  descriptor: Descriptor,
  document: (blob: Descriptor) => Promise<Buffer>,
): Promise<BundlePackage[]> {
  const { layers } = parse(manifestSchema, await document(descriptor));
  const blobs = new Map(layers.filter((each) => each.mediaType === packageType).map((each) => [each.digest, each]));
  const listed = layers.find((each) => each.mediaType === listType);
  if (listed === undefined) throw new RangeError('its manifest names none');
  const { packages } = parse(listSchema, await document(listed));
  return packages.map((each) => {
    const blob = blobs.get(digestOfHex(each.sha256));
    if (blob !== undefined && blob.size !== each.size) throw new RangeError(`the package ${each.name} has two sizes`);
    return { ...each, blob };
  });
}

function parse<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new RangeError('it is no JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new RangeError(`${issue.path.join('.')}: ${issue.message}`);
}

function digestOfHex(hex: string): Digest {
  return `sha256:${hex}`;
}
