import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { CarriedLayer } from '../../../src/delta/bundle/write.ts';
import { encodeImage } from '../../../src/delta/encode-image.ts';
import { storeLayer } from '../../../src/delta/encode-layer.ts';
import { keepTars, wholeRoom } from '../../../src/delta/kept-tars.ts';
import type { AccountedEntry } from '../../../src/delta/layer-delta/account.ts';
import { encodeLayerDelta } from '../../../src/delta/layer-delta/encode.ts';
import { openPartThreads } from '../../../src/delta/layer-delta/part-threads.ts';
import { findSources, indexEntries } from '../../../src/delta/layer-delta/find-sources.ts';
import { InflatedSpool } from '../../../src/delta/layer-delta/inflated-spool.ts';
import { OldBytes, type OldTars } from '../../../src/delta/layer-delta/old-bytes.ts';
import { planMembers } from '../../../src/delta/layer-delta/plan-members.ts';
import { addNeeded, OldPlaces, UsedRanges } from '../../../src/delta/layer-delta/used-ranges.ts';
import { readOldImage } from '../../../src/delta/old-tree.ts';
import { partOf } from '../../../src/delta/source-spool.ts';
import { decodeLayerDelta, type LayerDecodeOptions } from '../../../src/delta/layer-delta/decode.ts';
import { RangeSpool } from '../../../src/delta/layer-delta/range-spool.ts';
import { decodeSourceRanges } from '../../../src/delta/layer-delta/source-ranges.ts';
import type { SourceImage, SourceLayer } from '../../../src/image-source/image.ts';
import { digestOf } from '../../../src/oci/digest.ts';
import { hostPlatform } from '../../../src/oci/platform.ts';
import { silent } from '../../../src/progress.ts';

/** What must be carried of an image whose filesystem layers are coded against those of another one. */
export interface CodedLayers {
  sources: Buffer;
  /** For each new filesystem layer. */
  deltas: Buffer[];
}

export async function withFolder<Result>(use: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = mkdtempSync(path.join(tmpdir(), 'imgbuild-layer-delta-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function layerOf(tar: Buffer): SourceLayer {
  const digest = digestOf(tar);
  const stream = async function* () {
    for (let at = 0; at < tar.length; at += 65_521) yield tar.subarray(at, at + 65_521);
  };
  // As a blob, it is larger than any delta: none is carried whole.
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: 2 ** 40 };
  return { diffId: digest, descriptor, blob: stream, tar: stream };
}

function imageOf(tars: readonly Buffer[]): SourceImage {
  const bytes = Buffer.from('{}');
  const descriptor = { mediaType: '', digest: digestOf(bytes), size: bytes.length };
  const value = {} as SourceImage['config']['value'];
  return {
    name: 'image',
    platform: hostPlatform(),
    manifest: { descriptor, bytes } as SourceImage['manifest'],
    config: { descriptor, bytes, value },
    layers: tars.map(layerOf),
    async close() {},
  };
}

/** What each entry of a new filesystem layer costs, and what the delta has in all. */
export function accounted(old: readonly Buffer[], text: Buffer): Promise<{ entries: AccountedEntry[]; size: number }> {
  return withFolder(async (folder) => {
    const none = () => {};
    const { entries } = await readOldImage(old.map(layerOf), none);
    const layer = await storeLayer(layerOf(text), path.join(folder, 'tar'), none);
    const sources = findSources(layer.entries, indexEntries(entries, layer.entries));
    const used = new UsedRanges();
    addNeeded(used, sources);
    const ranges = used.ranges(old.map(digestOf));
    const spool = new RangeSpool(ranges, path.join(folder, 'spool'));
    for (const tar of old) {
      const tap = spool.tap(digestOf(tar));
      tap?.write(tar);
      tap?.commit(digestOf(tar));
    }
    const places = new OldPlaces(ranges);
    const tars: OldTars = { bytes: (diffId, start, length) => partOf(spool, places.at(diffId, start), length) };
    const inflated = new InflatedSpool(path.join(folder, 'inflated'));
    const members = await planMembers(
      [{ stored: layer, sources }],
      new OldBytes(places, tars, ranges.size),
      inflated,
      none,
    );
    const { size, members: oldMembers } = members.old.place(ranges, places);
    const bytes = new OldBytes(places, tars, size, { placed: members.old, unpacked: inflated });
    const lengths = { ranges: ranges.count, oldMembers: oldMembers.length };
    const threads = openPartThreads(new AbortController().signal);
    const work = { layer, sources, old: bytes, lengths, threads, path: path.join(folder, 'delta'), onBytes: none };
    const made = await encodeLayerDelta({ ...work, expansions: members.expansions[0]!, inflated });
    await threads.close();
    spool.close();
    inflated.close();
    return made;
  });
}

/** No new filesystem layer may be among the old ones. `most`: bytes of the old ones that are kept on the disk. */
export function coded(old: readonly Buffer[], text: readonly Buffer[], most?: number): Promise<CodedLayers> {
  return withFolder(async (folder) => {
    const from = imageOf(old);
    const kept = keepTars(from.layers, path.join(folder, 'kept'), most === undefined ? wholeRoom() : { left: most });
    const pair = { from, to: imageOf(text), reference: undefined, kept };
    const request = { format: 'imgbuild' as const, prefix: path.join(folder, 'x'), progress: silent };
    const image = await encodeImage(pair, { ...request, signal: new AbortController().signal });
    kept.close();
    const deltas = image.carried.map((each: CarriedLayer) => {
      if (each.kind !== 'delta' || each.format !== 'imgbuild') throw new Error(`carried as ${each.kind}`);
      return readFileSync(each.delta.path);
    });
    return { sources: image.sources!, deltas };
  });
}

async function* inPieces(bytes: Uint8Array, size = 4093): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}

/** `known`: whether the spool is told which filesystem layer comes; else only its bytes tell. */
export function decoded(
  old: readonly Buffer[],
  sources: Uint8Array,
  delta: Uint8Array,
  { known = true, ...options }: Partial<LayerDecodeOptions> & { known?: boolean } = {},
): Promise<Buffer> {
  return withFolder(async (folder) => {
    const ranges = await decodeSourceRanges(inPieces(sources));
    const spool = new RangeSpool(ranges, path.join(folder, 'spool'));
    try {
      // An engine gives them in its own order.
      for (const tar of old.toReversed()) {
        const tap = spool.tap(known ? digestOf(tar) : undefined);
        for await (const chunk of inPieces(tar, 70_001)) tap?.write(chunk);
        tap?.commit(digestOf(tar));
      }
      await spool.complete();
      const parts: Buffer[] = [];
      const sink = { write: (bytes: Uint8Array) => void parts.push(Buffer.from(bytes)) };
      await decodeLayerDelta(inPieces(delta), spool, sink, { ...spool.lengths, ...options });
      return Buffer.concat(parts);
    } finally {
      spool.close();
    }
  });
}
