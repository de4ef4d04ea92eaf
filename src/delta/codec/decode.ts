import type { RandomAccess } from '../source-spool.ts';
import { readBlock, readUvarint } from './block.ts';
import { StreamSource } from './byte-source.ts';
import { brokenDelta } from './failure.ts';
import {
  decodeHeader,
  digestSize,
  generalStreams,
  headerLimit,
  mebibyte,
  memoryLimit,
  memoryNeeded,
  type DeltaHeader,
} from './format.ts';
import { decodeGeneralBlock } from './general-decoder.ts';
import { OldPages } from './old-pages.ts';
import { Output, type ByteSink } from './output.ts';

export interface DecodeOptions {
  /** Memory that is granted, in bytes; 64 MiB unless said otherwise. */
  memory?: number;
}

/**
 * Makes the new file out of the old one (docs/delta-format.md). Throws a Failure when the delta breaks the format, needs
 * more memory than is granted, or makes other bytes than it was made from: what was put out until then doesn't count.
 * Memory: what the delta declares, at most `memory`, whatever the sizes of the files.
 */
export async function decodeDelta(
  delta: AsyncIterable<Buffer>,
  old: RandomAccess,
  sink: ByteSink,
  options: DecodeOptions = {},
): Promise<DeltaHeader> {
  const source = new StreamSource(delta);
  try {
    const { header, size } = decodeHeader(await source.peek(headerLimit));
    await source.take(size);
    const granted = options.memory ?? memoryLimit;
    if (header.memory > granted) {
      throw brokenDelta(
        `it needs ${Math.ceil(header.memory / mebibyte)} MiB of memory, and ${Math.floor(granted / mebibyte)} are granted`,
      );
    }
    if (header.oldSize !== old.size) {
      throw brokenDelta(`it was made for an old file of ${header.oldSize} bytes, and this one has ${old.size}`);
    }
    const digest = await decodeBlocks(source, header, new OldPages(old), sink);
    if (!digest.equals(await source.take(digestSize))) {
      throw brokenDelta('what it makes has another sha256 than the new file: the old file was altered, or the delta');
    }
    await source.expectEnd();
    return header;
  } finally {
    await source.close();
  }
}

async function decodeBlocks(source: StreamSource, header: DeltaHeader, old: OldPages, sink: ByteSink): Promise<Buffer> {
  if (header.memory < memoryNeeded(header.blockSize)) throw brokenDelta('it declares less memory than it needs');
  const output = new Output(sink);
  while (output.size < header.newSize) {
    const size = await readUvarint(source);
    if (size === 0 || size > header.newSize - output.size) throw brokenDelta(`it has a block of ${size} bytes`);
    decodeGeneralBlock(await readBlock(generalStreams, source, header.blockSize), size, old, output);
  }
  return output.finish();
}
