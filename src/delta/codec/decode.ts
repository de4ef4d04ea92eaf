import { createHash } from 'node:crypto';
import type { RandomAccess } from '../source-spool.ts';
import { readBlock, readUvarint } from './block.ts';
import { StreamSource } from './byte-source.ts';
import { decodePrelude, ElfDecoder, heldPart } from './elf/elf-decoder.ts';
import { tablesOf } from './elf/steps.ts';
import { brokenDelta } from './failure.ts';
import {
  decodeHeader,
  digestSize,
  elfLimit,
  elfStreams,
  generalStreams,
  headerLimit,
  mebibyte,
  memoryLimit,
  memoryNeeded,
  preludeStreams,
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
  const { blockSize, newSize } = header;
  const expectDeclared = (needed: number) => {
    if (header.memory < needed) throw brokenDelta('it declares less memory than it needs');
  };
  expectDeclared(memoryNeeded(blockSize));
  const hash = createHash('sha256');
  const output = new Output({
    write(bytes) {
      hash.update(bytes);
      sink.write(bytes);
    },
  });
  let elf: ElfDecoder | undefined;
  if (header.codec === 'elf') {
    if (header.oldSize >= elfLimit || newSize >= elfLimit) throw brokenDelta('its files are too large for its coding');
    const prelude = decodePrelude(await readBlock(preludeStreams, source, blockSize), header.oldSize, newSize);
    const held = heldPart(prelude.model);
    expectDeclared(memoryNeeded(blockSize, tablesOf(prelude.model, prelude.copies)));
    if (held !== undefined) output.hold(held);
    elf = new ElfDecoder(prelude, old, newSize);
  }
  while (output.size < newSize) {
    const size = await readUvarint(source);
    if (size === 0 || size > newSize - output.size) throw brokenDelta(`it has a block of ${size} bytes`);
    if (elf !== undefined) elf.block(await readBlock(elfStreams, source, blockSize), size, output);
    else await decodeGeneralBlock(await readBlock(generalStreams, source, blockSize), size, old, output);
  }
  output.flush();
  return hash.digest();
}
