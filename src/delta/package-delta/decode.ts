import { createHash } from 'node:crypto';
import { Failure } from '../../failure.ts';
import { StreamSource } from '../codec/byte-source.ts';
import { decodeLayerDelta } from '../layer-delta/decode.ts';
import { RangeSpool, type LayerTap } from '../layer-delta/range-spool.ts';
import { decodeSourceRanges } from '../layer-delta/source-ranges.ts';
import type { RebuiltSink } from '../rebuild.ts';
import { decodeHead } from './format.ts';
import { installedTar, sumSize, type InstalledFile } from './installed-files.ts';
import { plainParts, type PlainForm } from './plain-package.ts';

export interface RebuildPackageOptions {
  /** The package's name and version, for messages. */
  what: string;
  /** What must come out. */
  plain: PlainForm;
  /** Contents of a file that is installed; undefined where there is none. */
  contents: (file: InstalledFile) => AsyncIterable<Buffer> | undefined;
  /** A temporary file, which is removed. */
  temporary: string;
  signal: AbortSignal;
  /** Bytes that a delta may need; 64 MiB unless said otherwise. */
  memory?: number;
}

/**
 * Makes a package, in its plain form, from a package delta and the files that its old version has installed
 * (docs/package-delta-format.md). Throws a Failure at the first of them that is another one, and where what comes out is not
 * what it should be. Memory: what the delta declares, and its list of files.
 */
export async function rebuildPackage(
  delta: AsyncIterable<Buffer>,
  sink: RebuiltSink,
  options: RebuildPackageOptions,
): Promise<void> {
  const { what, plain, temporary, signal, memory } = options;
  const source = new StreamSource(delta);
  const hash = createHash('sha256');
  let size = 0;
  const put = (bytes: Uint8Array) => {
    signal.throwIfAborted();
    size += bytes.length;
    if (size > plain.size) throw wrong(what, `it becomes larger than the ${plain.size} bytes that the bundle says`);
    hash.update(bytes);
    sink.write(bytes);
  };
  try {
    const head = await decodeHead(source);
    const ranges = await decodeSourceRanges(part(source, head.sources));
    const spool = new RangeSpool(ranges, temporary);
    try {
      const [installed] = ranges.layers;
      await gatherInstalled(installed && spool.tap(installed.diffId), head.files, options);
      await spool.complete();
      const deltas = { control: head.controlDelta, data: head.dataDelta };
      for (const each of plainParts(head.control, head.data)) {
        if (typeof each !== 'string') {
          put(each);
          continue;
        }
        const before = size;
        const granted = memory === undefined ? {} : { memory };
        await decodeLayerDelta(part(source, deltas[each]), spool, { write: put }, { ...spool.lengths, ...granted });
        if (size - before !== head[each])
          throw wrong(what, `its ${each}.tar comes out with ${size - before} bytes, not ${head[each]}`);
      }
    } finally {
      spool.close();
    }
    await source.expectEnd();
  } finally {
    await source.close();
  }
  const sha256 = hash.digest('hex');
  if (size !== plain.size || sha256 !== plain.sha256) throw wrong(what, `what came out has the sha256 ${sha256}`);
}

async function gatherInstalled(
  tap: LayerTap | undefined,
  files: readonly InstalledFile[],
  options: RebuildPackageOptions,
): Promise<void> {
  const hash = createHash('sha256');
  const tar = installedTar(files, (file) => checked(file, options));
  for await (const chunk of tar) {
    hash.update(chunk);
    tap?.write(chunk);
  }
  tap?.commit(`sha256:${hash.digest('hex')}`);
}

async function* checked(file: InstalledFile, { what, contents }: RebuildPackageOptions): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const refuse = (because: string) => wrong(what, `it is made from the file ${file.path}, which ${because}`);
  const bytes = contents(file);
  if (bytes === undefined) throw refuse('is not there');
  let size = 0;
  for await (const chunk of bytes) {
    size += chunk.length;
    if (size > file.size) break;
    hash.update(chunk);
    yield chunk;
  }
  if (size !== file.size || !hash.digest().subarray(0, sumSize).equals(file.sum)) throw refuse('is another one here');
}

/** The next bytes of a stream, as one of their own. */
async function* part(source: StreamSource, size: number): AsyncGenerator<Buffer> {
  for (let left = size; left > 0;) {
    const piece = await source.take(Math.min(left, 64 * 1024));
    left -= piece.length;
    yield piece;
  }
}

function wrong(what: string, because: string): Failure {
  return new Failure({
    doing: `rebuilding the package ${what}`,
    because,
    fix: 'use a bundle that was made from the packages that are here, or one that starts from none',
    kind: 'input',
  });
}
