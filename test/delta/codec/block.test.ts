import { expect, test } from 'vitest';
import { elfPackerAt, packerAt, readBlock, streamWriters, type BlockPacker } from '../../../src/delta/codec/block.ts';
import { StreamSource } from '../../../src/delta/codec/byte-source.ts';
import { makeElf, sampleProgram } from './elf-file.ts';

const names = ['code', 'data'] as const;
const code = makeElf(sampleProgram('aarch64', 1500));

async function packed(pack: BlockPacker): Promise<Buffer> {
  const streams = streamWriters(names);
  streams.code.put(code);
  return pack(names, streams);
}

async function unpacked(block: Buffer): Promise<Uint8Array> {
  const source = new StreamSource(
    (async function* () {
      yield block;
    })(),
  );
  const streams = await readBlock(names, source, 2 * code.length);
  return streams.code.take(code.length);
}

test.each([9, 12, 15])('streams of programs are smaller than by level %d of zstd, and unpack', async (level) => {
  const [plain, short] = [await packed(packerAt(level)), await packed(elfPackerAt(level))];
  expect(short.length).toBeLessThan(0.97 * plain.length);
  expect(Buffer.from(await unpacked(short)).equals(code)).toBe(true);
});

test.each([3, 19])('at level %d, zstd does by itself what suits', async (level) => {
  expect((await packed(elfPackerAt(level))).equals(await packed(packerAt(level)))).toBe(true);
});
