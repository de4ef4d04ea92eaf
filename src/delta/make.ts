import { open, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Failure } from '../failure.ts';
import type { ImageSet, SourceImage } from '../image-source/image.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName } from '../oci/platform.ts';
import type { Progress } from '../progress.ts';
import { syncFolder } from '../files/durable-write.ts';
import type { SigningKey } from '../signing/openpgp.ts';
import type { DeltaFormat } from './bundle/format.ts';
import { packageDeltaVersion } from './bundle/format.ts';
import type { PackageChange } from './bundle/packages.ts';
import { writeBundle, type BundledImage } from './bundle/write.ts';
import { codePackages } from './code-packages.ts';
import { diskFailure } from './disk-failure.ts';
import { encodeImage, type ImagePair, type LayerFormat } from './encode-image.ts';
import { keepTars, wholeRoom, type Room } from './kept-tars.ts';
import { withTemporaryFolder } from '../files/temporary-folder.ts';
import { ownProver, type Decoder, type Prover } from './prove.ts';

export interface DeltaRequest {
  from: ImageSet;
  to: ImageSet;
  /** Absolute path of the bundle; an existing one is replaced. Temporary files lie in its folder. */
  output: string;
  /** The project: the device keeps its state under this name. */
  name?: string;
  /** Whether packages of the releases are in it; they are unless said otherwise. */
  packages?: boolean;
  /** What filesystem layers may be coded as; `auto` unless said otherwise. */
  format?: LayerFormat;
  signKey?: SigningKey;
  /** For copies of filesystem layers, where others make some too; 4 GiB unless said otherwise. */
  room?: Room;
  /** Applies the finished file; our own decoder unless said otherwise. */
  prover?: Prover;
  progress: Progress;
  signal: AbortSignal;
}

/** One filesystem layer of the target. Sizes in bytes. */
export interface LayerReport {
  diffId: Digest;
  /** `reused`: the device has it. `delta`: made from its files. `whole`: sent as in a registry. */
  kind: 'reused' | 'delta' | 'whole';
  /** Of a delta. */
  format?: DeltaFormat;
  /** In the bundle. */
  bytes: number;
  /** What a pull would move for it. */
  pullBytes: number;
}

export interface ImageReport {
  reference: string | undefined;
  config: Digest;
  layers: LayerReport[];
}

/** A package of the target. Sizes in bytes. */
export interface PackageReport {
  name: string;
  version: string;
  architecture: string;
  /** `delta`: made from what an old version has installed. */
  kind: 'reused' | 'delta' | 'whole';
  /** Of a delta: that version. */
  from?: string;
  /** In the bundle. */
  bytes: number;
  /** What a download would move for it. */
  pullBytes: number;
}

export interface DeltaReport {
  path: string;
  /** Of the whole file. */
  bytes: number;
  digest: Digest;
  /** What a pull of the filesystem layers that the device lacks would move, and a download of its packages. */
  pullBytes: number;
  from: string;
  to: string;
  /** Of the release, where both sides are releases; `bytes` and `pullBytes` are 0 for what the device has. */
  packages: PackageReport[];
  signedBy: string | undefined;
  /** What has applied the finished file to the old images and packages. */
  provenBy: Decoder;
  images: ImageReport[];
  /** The version that it takes to read it. */
  needs: number;
}

/**
 * Makes the bundle that turns the images of `from` into those of `to`, and has it applied to `from` before it gets its
 * name: every filesystem layer, config and package is compared. Throws a Failure and leaves nothing behind otherwise.
 */
export async function makeDelta(request: DeltaRequest): Promise<DeltaReport> {
  const folder = dirname(request.output);
  try {
    return await withTemporaryFolder(folder, (temporary) => makeIn(temporary, request));
  } catch (error) {
    throw diskFailure(`making ${request.output}`, folder, error);
  }
}

async function makeIn(temporary: string, request: DeltaRequest): Promise<DeltaReport> {
  const { from, to, room = wholeRoom() } = request;
  const pairs = pairImages(from, to).map((pair, at) => {
    return { ...pair, kept: keepTars(pair.from?.layers ?? [], join(temporary, `${at}-kept`), room) };
  });
  try {
    return await makeOf(pairs, temporary, request);
  } finally {
    for (const { kept } of pairs) kept.close();
  }
}

async function makeOf(pairs: readonly ImagePair[], temporary: string, request: DeltaRequest): Promise<DeltaReport> {
  const { from, to, output, format = 'auto', prover = ownProver(), progress, signal } = request;
  const bundled: BundledImage[] = [];
  for (const [at, pair] of pairs.entries()) {
    bundled.push(await encodeImage(pair, { format, prefix: join(temporary, String(at)), progress, signal }));
    if (!prover.readsOldTars) pair.kept?.close();
  }
  const coding = { prefix: join(temporary, 'package'), progress, signal };
  const packages = request.packages === false ? undefined : await codePackages(from, to, coding);
  if (packages?.some(({ carried }) => carried.kind === 'delta')) {
    for (const image of bundled) image.needs = Math.max(image.needs ?? 1, packageDeltaVersion);
  }
  const unproven = join(temporary, basename(output));
  const file = await open(unproven, 'wx', 0o644);
  let written;
  try {
    const head = {
      name: request.name ?? to.project ?? from.project,
      from: from.version,
      to: to.version,
    };
    const { signKey } = request;
    written = await writeBundle(
      file,
      head,
      bundled,
      signKey && ((bytes) => signKey.signDetached(bytes)),
      signal,
      packages,
    );
    await file.sync();
  } finally {
    await file.close();
  }
  await prover.prove({
    path: unproven,
    pairs,
    packages: packages && { changes: packages, from: from.packages },
    signKey: request.signKey,
    temporary,
    progress,
    signal,
  });
  await rename(unproven, output);
  await syncFolder(dirname(output));
  return report(request, bundled, packages ?? [], written, prover.decoder);
}

/** Images belong together by the repository that their reference names; one and one always do. */
function pairImages(from: ImageSet, to: ImageSet): ImagePair[] {
  if (from.images.length === 1 && to.images.length === 1) {
    const [old, image] = [from.images[0]!, to.images[0]!];
    if (platformName(old.platform) !== platformName(image.platform)) {
      throw new Failure({
        doing: `comparing ${old.name} with ${image.name}`,
        because: `one is for ${platformName(old.platform)}, the other for ${platformName(image.platform)}`,
        fix: 'give two images of one platform',
        kind: 'input',
      });
    }
    return [{ from: old, to: image, reference: image.reference }];
  }
  const repository = (image: SourceImage) => image.reference?.replace(/:[^/:]*$/, '');
  return to.images.map((image) => ({
    from: from.images.find((old) => repository(old) === repository(image)),
    to: image,
    reference: image.reference,
  }));
}

function report(
  request: DeltaRequest,
  bundled: readonly BundledImage[],
  changes: readonly PackageChange[],
  written: { size: number; digest: Digest },
  provenBy: Decoder,
): DeltaReport {
  const images = bundled.map(({ to, reference, carried }): ImageReport => {
    const byDiffId = new Map(carried.map((each) => [each.layer.diffId, each]));
    return {
      reference,
      config: to.config.descriptor.digest,
      layers: to.layers.map(({ diffId, descriptor }): LayerReport => {
        const sent = byDiffId.get(diffId);
        if (sent === undefined) return { diffId, kind: 'reused', bytes: 0, pullBytes: 0 };
        const bytes = sent.kind === 'delta' ? sent.delta.size : descriptor.size;
        const format = sent.kind === 'delta' ? { format: sent.format } : {};
        return { diffId, kind: sent.kind, ...format, bytes, pullBytes: descriptor.size };
      }),
    };
  });
  const packages = changes.map(({ package: { name, version, architecture, size }, carried }): PackageReport => {
    const sent = carried.kind === 'delta' ? carried.delta.size : size;
    const bytes = carried.kind === 'reused' ? { bytes: 0, pullBytes: 0 } : { bytes: sent, pullBytes: size };
    const from = carried.kind === 'delta' ? { from: carried.delta.from } : {};
    return { name, version, architecture, kind: carried.kind, ...from, ...bytes };
  });
  return {
    path: request.output,
    bytes: written.size,
    digest: written.digest,
    pullBytes:
      images.flatMap(({ layers }) => layers).reduce((sum, layer) => sum + layer.pullBytes, 0) +
      packages.reduce((sum, { pullBytes }) => sum + pullBytes, 0),
    from: request.from.name,
    to: request.to.name,
    packages,
    signedBy: request.signKey?.fingerprint,
    provenBy,
    images,
    needs: Math.max(...bundled.map(({ needs = 1 }) => needs)),
  };
}

/** `<name>_<from>_<to>_<os>-<arch>.ota.tar`, of characters that every file system takes. */
export function bundleFileName(from: ImageSet, to: ImageSet, name: string | undefined): string {
  const platform = platformName(to.images[0]!.platform).replaceAll('/', '-');
  const title = name ?? to.project ?? to.images[0]!.reference?.replace(/:[^/:]*$/, '').replace(/^.*\//, '') ?? 'image';
  const version = (set: ImageSet) => set.version ?? set.images[0]!.config.descriptor.digest.slice(7, 19);
  return (
    [title, version(from), version(to), platform].map((part) => part.replaceAll(/[^0-9A-Za-z.+~-]/g, '-')).join('_') +
    '.ota.tar'
  );
}
