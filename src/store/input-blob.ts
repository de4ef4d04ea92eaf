import { Readable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { lineSplitter } from '../process/run.ts';
import { manifestText, type Input } from '../plan/input.ts';

/** An input manifest as it is stored: zstd of the text whose sha256 is the fingerprint. */
export async function packInputs(inputs: readonly Input[]): Promise<Buffer> {
  const others = inputs.filter((input) => input.kind !== 'file');
  const files = inputs.filter((input) => input.kind === 'file');
  const chunks: Buffer[] = [];
  const text = Readable.from(manifestText(others, files)).pipe(createZstdCompress());
  for await (const chunk of text) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Throws a SyntaxError, or what zlib or the stream throws, when the bytes are no such lines. */
export async function unpackInputs<T extends { kind: string } = Input>(stream: Readable): Promise<T[]> {
  const inputs: T[] = [];
  const lines = lineSplitter((line) => {
    const input = JSON.parse(line) as T;
    if (typeof input?.kind !== 'string') throw new SyntaxError(`not an input: ${line.slice(0, 80)}`);
    inputs.push(input);
  });
  const unpacked = createZstdDecompress();
  stream.on('error', (error) => unpacked.destroy(error));
  try {
    for await (const chunk of stream.pipe(unpacked)) lines.push(chunk as Buffer);
  } finally {
    // A pipe leaves what it read from open when its end fails.
    stream.destroy();
  }
  lines.end();
  return inputs;
}
