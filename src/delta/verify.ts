import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { ImageSet, SourceImage, SourceLayer } from '../image-source/image.ts';
import type { Progress } from '../progress.ts';
import { verifyDetached, type Verification } from '../signing/openpgp.ts';
import type { Bundle, BundleImage, TargetLayer } from './bundle/read.ts';
import { openBundle } from './bundle/read.ts';
import { readCarried, type ReadPackage } from './prove-packages.ts';
import { RangeSpool } from './layer-delta/range-spool.ts';
import { gather, nowhere, rebuildLayer, wantedSources, type RebuildOptions, type RebuiltSink } from './rebuild.ts';
import type { SourceSpool } from './source-spool.ts';
import { withTemporaryFolder } from '../files/temporary-folder.ts';

/** Whom the user trusts: the keys of a keyring, or whoever made the file. */
export type Trust = { keyring: string } | 'anyone';

/** Judges the signature over index.json, which names all the rest by digest. Undefined: unsigned, and that is accepted. */
export async function checkSignature(bundle: Bundle, trust: Trust): Promise<Verification | undefined> {
  if (trust === 'anyone') return undefined;
  const doing = `verifying the signature of ${bundle.path}`;
  const keyring = await readFile(trust.keyring).catch((error: NodeJS.ErrnoException) => {
    const because = error.code === 'ENOENT' ? `there is no keyring ${trust.keyring}` : error.message;
    throw new Failure({ doing, because, fix: 'give a readable file with the public keys by --keyring', kind: 'input' });
  });
  if (bundle.signature === undefined) {
    throw new Failure({
      doing,
      because: 'it is not signed',
      fix: 'make it with `imgbuild ota diff --sign-key FILE`, or accept it as it is with --allow-unsigned',
      kind: 'input',
    });
  }
  return verifyDetached(bundle.index, bundle.signature, keyring, { document: bundle.path, keyring: trust.keyring });
}

/** Gets the bytes of one filesystem layer, and is called once they are known to be right. */
export interface LayerSink extends RebuiltSink {
  finish(): Promise<void>;
}

export interface RebuildAllOptions extends RebuildOptions {
  /** Whether the source image was read and checked just now: then only what is needed of it is read again. */
  isChecked?: boolean;
}

/**
 * Rebuilds every filesystem layer that the bundle carries for one image, in memory that does not grow with it, and
 * compares the diffIDs. Throws a Failure for the first that differs. `sinkFor` says where they go; nowhere otherwise.
 */
export async function rebuildAll(
  bundle: Bundle,
  image: BundleImage,
  from: SourceImage | undefined,
  temporary: string,
  progress: Progress,
  options: RebuildAllOptions,
  sinkFor?: (layer: TargetLayer) => LayerSink,
): Promise<void> {
  const { signal } = options;
  expectSource(bundle, image, from);
  const wanted = await wantedSources(bundle, image);
  const path = join(temporary, `sources-${randomBytes(4).toString('hex')}`);
  const proving = progress.transfer('proving');
  let spool: SourceSpool | undefined;
  let ranges: RangeSpool | undefined;
  try {
    ranges = new RangeSpool(wanted.ranges, `${path}-ranges`);
    const count = (bytes: number) => {
      signal.throwIfAborted();
      proving.add(bytes);
    };
    const layers = from?.layers ?? [];
    const read = options.isChecked === true && wanted.paths.size === 0 ? layers.filter(wantedBy(ranges)) : layers;
    const files = await gather(read, wanted.paths, path, count, ranges);
    spool = files;
    const sources = { file: (name: string) => files.file(name), ranges };
    for (const layer of image.layers) {
      if (layer.carried.kind === 'reused') continue;
      const sink = sinkFor?.(layer);
      proving.add(await rebuildLayer(bundle, layer, sources, sink ?? nowhere, options));
      await sink?.finish();
    }
  } finally {
    spool?.close();
    ranges?.close();
    proving.end();
  }
}

const wantedBy = (ranges: RangeSpool) => (layer: SourceLayer) => ranges.wants(layer.diffId);

/** Whether this is the image that the bundle starts from; reused filesystem layers must be in it. */
export function expectSource(bundle: Bundle, image: BundleImage, from: SourceImage | undefined): void {
  const wrong = (because: string) =>
    new Failure({
      doing: `applying ${bundle.path}${from === undefined ? '' : ` to ${from.name}`}`,
      because,
      fix: 'use the bundle that was made from the image that is here',
      kind: 'input',
    });
  if (image.source !== undefined && from === undefined) {
    throw wrong(`it starts from the image ${image.source.config}, and there is none`);
  }
  if (image.source !== undefined && from !== undefined && from.config.descriptor.digest !== image.source.config) {
    throw wrong(`it starts from the image ${image.source.config}, and this one is ${from.config.descriptor.digest}`);
  }
  for (const { diffId, carried } of image.layers) {
    if (carried.kind === 'reused' && !from?.layers.some((layer) => layer.diffId === diffId)) {
      throw wrong(`the filesystem layer ${diffId} should be in the source image, and is not`);
    }
  }
}

export interface VerifiedBundle {
  path: string;
  /** Undefined where nobody asked for a signature. */
  signature: Verification | undefined;
  images: { reference: string | undefined; config: string; diffIds: string[] }[];
  packages: ReadPackage[];
}

/** `ota verify`: applies a bundle to its source image without an engine. */
export async function verifyBundle(request: {
  path: string;
  from: ImageSet;
  trust: Trust;
  /** For temporary files: the old files that the deltas read from. */
  temporary: string;
  progress: Progress;
  signal: AbortSignal;
  /** Bytes that a layer delta may need; 64 MiB unless said otherwise. */
  memory?: number;
}): Promise<VerifiedBundle> {
  const bundle = await openBundle(request.path, request.signal);
  try {
    const signature = await checkSignature(bundle, request.trust);
    const images = await bundle.images();
    const packages = await withTemporaryFolder(request.temporary, async (folder) => {
      for (const image of images) {
        const { source } = image;
        const from =
          source &&
          (request.from.images.find((each) => each.config.descriptor.digest === source.config) ??
            request.from.images[0]);
        await rebuildAll(bundle, image, from, folder, request.progress, request);
      }
      const { signal, memory } = request;
      const granted = memory === undefined ? {} : { memory };
      return readCarried(bundle, { from: request.from.packages, temporary: folder, signal, ...granted });
    });
    return {
      path: request.path,
      signature,
      packages,
      images: images.map(({ reference, config, layers }) => ({
        reference,
        config: config.descriptor.digest,
        diffIds: layers.map(({ diffId }) => diffId),
      })),
    };
  } finally {
    await bundle.close();
  }
}
