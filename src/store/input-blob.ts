import { Readable } from 'node:stream';
import { createZstdCompress, createZstdDecompress } from 'node:zlib';
import { lineSplitter } from '../process/run.ts';
import type { Input } from '../plan/input.ts';

/** The lines of an input manifest as they are stored: JSON Lines, zstd. */
export async function packInputs(inputs: readonly Input[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of Readable.from(texts(inputs)).pipe(createZstdCompress())) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function* texts(inputs: readonly Input[]): Generator<Buffer> {
  let lines = '';
  for (const input of inputs) {
    lines += `${JSON.stringify(input)}\n`;
    if (lines.length > 64 * 1024) {
      yield Buffer.from(lines);
      lines = '';
    }
  }
  yield Buffer.from(lines);
}

/** Throws a SyntaxError, or what zlib or the stream throws, when the bytes are no such lines. */
export async function unpackInputs(stream: Readable): Promise<Input[]> {
  const inputs: Input[] = [];
  const lines = lineSplitter((line) => {
    const input = JSON.parse(line) as Input;
    if (typeof input?.kind !== 'string') throw new SyntaxError(`not an input: ${line.slice(0, 80)}`);
    inputs.push(input);
  });
  const unpacked = createZstdDecompress();
  stream.on('error', (error) => unpacked.destroy(error));
  for await (const chunk of stream.pipe(unpacked)) lines.push(chunk as Buffer);
  lines.end();
  return inputs;
}
