import * as z from 'zod';
import type { ImageSet, SourcePackage } from '../../image-source/image.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { digestOf, isDigest, type Digest } from '../../oci/digest.ts';
import type { ImageManifest } from '../../oci/manifest.ts';
import { mediaType } from '../../oci/media-type.ts';
import type { EncodedPackage } from '../package-delta/encode.ts';
import type { PlainForm } from '../package-delta/plain-package.ts';
import { blobName, emptyConfig, emptyDescriptor } from './format.ts';
import { memberFromFile, memberOf, type Member } from './member.ts';
import type { Prepared } from './write.ts';

/** A further manifest of index.json: the list of a release's packages, and what is sent of those that changed. */
export const packagesArtifactType = 'application/vnd.imgbuild.packages.v1';
const listType = 'application/vnd.imgbuild.packages.v1+json';
const packageType = 'application/vnd.debian.binary-package';
const packageDeltaType = 'application/vnd.imgbuild.package-delta.v1';

/** A package that belongs to the release of a bundle. */
export interface BundlePackage extends Omit<SourcePackage, 'bytes'> {
  carried:
    /** The device has it. */
    | { kind: 'reused' }
    /** Its file as it is. */
    | { kind: 'whole'; blob: Descriptor }
    /** Made from what its version `from` has installed, as the plain form. */
    | { kind: 'delta'; blob: Descriptor; from: string; plain: PlainForm };
}

/** What devices get of one of a release's packages. */
export interface PackageChange {
  package: SourcePackage;
  /** Whether the old release lacks this very file; as a delta where that is smaller. */
  carried: { kind: 'reused' } | { kind: 'whole' } | { kind: 'delta'; delta: EncodedPackage };
}

/** A package of the new release, and the one of its name in the old release where that is another one. */
export interface PackagePair {
  to: SourcePackage;
  /** Whether the old release has this very file. */
  isReused: boolean;
  from: SourcePackage | undefined;
}

/** Undefined where the two are not releases: then nothing is said of packages. From nothing all of them are carried. */
export function packagePairs(from: ImageSet, to: ImageSet): PackagePair[] | undefined {
  const isFull = from.images.length === 0;
  if (to.packages === undefined || to.packages.length === 0) return undefined;
  if (from.packages === undefined && !isFull) return undefined;
  const known = new Set(from.packages?.map(({ sha256 }) => sha256));
  return to.packages.map((each) => ({
    to: each,
    isReused: known.has(each.sha256),
    // Of one version there may be another build: what of it a device has installed nobody knows.
    from: from.packages?.find(
      ({ name, architecture, version }) =>
        name === each.name && architecture === each.architecture && version !== each.version,
    ),
  }));
}

/** The one of a name and architecture that another version of it is made from. */
export function oldVersion(
  packages: readonly SourcePackage[] | undefined,
  { name, architecture }: { name: string; architecture: string },
  from: string,
): SourcePackage | undefined {
  return packages?.find((each) => each.name === name && each.architecture === architecture && each.version === from);
}

/** The versions of packages that a device must have installed, since others are made from them; undefined where there are none. */
export function madeFrom(
  packages: readonly { name: string; architecture: string; from?: string | undefined }[],
): { name: string; version: string; architecture: string }[] | undefined {
  const old = packages.flatMap(({ name, architecture, from }) =>
    from === undefined ? [] : { name, version: from, architecture },
  );
  return old.length === 0 ? undefined : old;
}

/** Bytes of the bundle that a package takes. */
export function carriedSize({ carried }: BundlePackage): number {
  return carried.kind === 'reused' ? 0 : carried.blob.size;
}

/** The manifest and the members that a bundle gets for packages: documents first, what is sent of packages behind all layers. */
export function packagesPart(changes: readonly PackageChange[]): Prepared {
  const list = {
    schema: 1,
    packages: changes.map(({ package: { name, version, architecture, size, sha256 }, carried }) => {
      const common = { name, version, architecture, size, sha256 };
      if (carried.kind !== 'delta') return common;
      const { from, digest, plain } = carried.delta;
      return { ...common, delta: { from, digest, size: plain.size, sha256: plain.sha256 } };
    }),
  };
  const listBytes = Buffer.from(JSON.stringify(list));
  const sent = changes.flatMap((each) => sentOf(each) ?? []);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    artifactType: packagesArtifactType,
    config: emptyDescriptor,
    layers: [
      { mediaType: listType, digest: digestOf(listBytes), size: listBytes.length },
      ...sent.map(({ blob }) => blob),
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
    layers: sent.map(({ member }) => member),
    last: [],
  };
}

function sentOf({ package: whole, carried }: PackageChange): { blob: Descriptor; member: Member } | undefined {
  if (carried.kind === 'reused') return undefined;
  if (carried.kind === 'delta') {
    const { path, digest, size } = carried.delta;
    return {
      blob: { mediaType: packageDeltaType, digest, size },
      member: memberFromFile(blobName(digest), path, size),
    };
  }
  const { size, bytes: open } = whole;
  const digest = digestOfHex(whole.sha256);
  return { blob: { mediaType: packageType, digest, size }, member: { name: blobName(digest), size, open } };
}

const text = z.string().max(256);
const size = z.int().min(0);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const digest = z.string().refine((value): value is Digest => isDigest(value));
const manifestSchema = z.object({
  artifactType: z.literal(packagesArtifactType),
  layers: z.array(z.object({ mediaType: text, digest, size })),
});
const listSchema = z.object({
  schema: z.literal(1),
  packages: z.array(
    z.object({
      name: text,
      version: text,
      architecture: text,
      size,
      sha256,
      delta: z.object({ from: text, digest, size, sha256 }).optional(),
    }),
  ),
});

/** Reads manifest and list with `document`, which checks digests. Throws a RangeError that says what is wrong. */
export async function readPackages(
  descriptor: Descriptor,
  document: (blob: Descriptor) => Promise<Buffer>,
): Promise<BundlePackage[]> {
  const { layers } = parse(manifestSchema, await document(descriptor));
  const blobsOf = (type: string) =>
    new Map(layers.filter((each) => each.mediaType === type).map((each) => [each.digest, each]));
  const [wholes, deltas] = [blobsOf(packageType), blobsOf(packageDeltaType)];
  const listed = layers.find((each) => each.mediaType === listType);
  if (listed === undefined) throw new RangeError('its manifest names none');
  const { packages } = parse(listSchema, await document(listed));
  return packages.map(({ delta, ...each }) => {
    const whole = wholes.get(digestOfHex(each.sha256));
    if (whole !== undefined && whole.size !== each.size) throw new RangeError(`the package ${each.name} has two sizes`);
    if (whole !== undefined) return { ...each, carried: { kind: 'whole', blob: whole } };
    if (delta === undefined) return { ...each, carried: { kind: 'reused' } };
    const blob = deltas.get(delta.digest);
    if (blob === undefined) throw new RangeError(`the delta of the package ${each.name} is missing`);
    const plain = { size: delta.size, sha256: delta.sha256 };
    return { ...each, carried: { kind: 'delta', blob, from: delta.from, plain } };
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
