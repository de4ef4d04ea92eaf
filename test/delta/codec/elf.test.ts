import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockSizer } from '../../../src/delta/codec/block-sizer.ts';
import { encodeElf } from '../../../src/delta/codec/elf/elf-encoder.ts';
import { planElf } from '../../../src/delta/codec/elf/plan.ts';
import { blockLimit, decodeHeader } from '../../../src/delta/codec/format.ts';
import { makeUnwindTable } from '../../../src/delta/codec/elf/unwind.ts';
import { readElf } from '../../../src/delta/codec/elf/image.ts';
import { distanceIn } from '../../../src/delta/codec/elf/x86.ts';
import { joinX86, splitX86, turnAarch64 } from '../../../src/delta/codec/elf/inserted-code.ts';
import { ByteReader, ByteWriter } from '../../../src/delta/codec/bytes.ts';
import { makeElf, sampleProgram, type Program } from './elf-file.ts';
import { decoded, encoded, inMemory } from './files.ts';

const machines = ['x86-64', 'aarch64'] as const;

/** A release later: some functions have gone, some are new, some moved, a constant became longer. */
function nextRelease(program: Program, seed = 2): Program {
  const added = sampleProgram(program.machine, 12, seed).functions.map((each) => ({
    ...each,
    body: each.body.map((part) =>
      'bytes' in part ? part : { call: program.functions[(each.name.length * 7) % 40]!.name },
    ),
  }));
  const functions = [...program.functions];
  functions.splice(30, 0, ...added.slice(0, 8));
  functions.splice(5, 0, ...added.slice(8));
  const [moved] = functions.splice(100, 1);
  const constants = program.constants.map((each, at) =>
    at === 3 ? { ...each, bytes: Buffer.concat([each.bytes, Buffer.alloc(160, 'x')]) } : each,
  );
  return { ...program, functions: [...functions, moved!], constants };
}

for (const machine of machines) {
  for (const fixed of [false, true]) {
    test(`${machine}, ${fixed ? 'at fixed' : 'at any'} addresses: code that moved costs what is new`, async () => {
      const program = sampleProgram(machine, 1500, 1, fixed);
      const [old, text] = [makeElf(program), makeElf(nextRelease(program))];
      const delta = await encoded(old, text, { level: 9, codec: 'elf' });
      expect(decodeHeader(delta).header.codec).toBe('elf');
      expect((await decoded(delta, old)).equals(text)).toBe(true);
      const general = await encoded(old, text, { level: 9, codec: 'general' });
      expect(delta.length).toBeLessThan(general.length / 4);
    });
  }
}

test('the function tables of a Go program cost next to nothing more', async () => {
  const program = { ...sampleProgram('x86-64', 1500, 1, true), go: true };
  const next = nextRelease(program);
  const [old, text] = [makeElf(program), makeElf(next)];
  const delta = await encoded(old, text, { level: 9, codec: 'elf' });
  expect((await decoded(delta, old)).equals(text)).toBe(true);
  const without = await encoded(makeElf({ ...program, go: false }), makeElf({ ...next, go: false }), { level: 9 });
  const tables = text.length - makeElf({ ...next, go: false }).length;
  expect(tables).toBeGreaterThan(100_000);
  expect(delta.length - without.length).toBeLessThan(tables / 40);
});

test('the smaller coding is taken: a program in which a few bytes changed needs no model', async () => {
  const old = makeElf(sampleProgram('x86-64', 300));
  const text = Buffer.from(old);
  text[64 + 56 + 5000]! ^= 1;
  const delta = await encoded(old, text);
  expect(decodeHeader(delta).header.codec).toBe('general');
  expect(delta.length).toBeLessThan((await encoded(old, text, { codec: 'elf' })).length);
  expect((await decoded(delta, old)).equals(text)).toBe(true);
});

test('whatever becomes of a program, it comes out (property)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...machines),
      fc.boolean(),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat({ max: 199 }), fc.nat({ max: 199 })), { maxLength: 20 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 30 }),
      async (machine, fixed, go, swaps, changes) => {
        const program = { ...sampleProgram(machine, 200, 3, fixed), go };
        const old = makeElf(program);
        const functions = [...program.functions];
        for (const [a, b] of swaps) [functions[a], functions[b]] = [functions[b]!, functions[a]!];
        const text = makeElf({ ...program, functions });
        for (const [at, mask] of changes) text[at % text.length]! ^= mask;
        expect((await decoded(await encoded(old, text, { codec: 'elf' }), old)).equals(text)).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test('ELF files that are cut, lie about themselves or are of another machine still come out', async () => {
  const good = makeElf(sampleProgram('x86-64', 150));
  const other = makeElf(sampleProgram('aarch64', 150));
  expect(decodeHeader(await encoded(good, other, { codec: 'elf' })).header.codec).toBe('general');
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      // In the head, in the section headers at the end, or anywhere.
      fc.array(
        fc.tuple(fc.oneof(fc.nat({ max: 119 }), fc.integer({ min: -650, max: -1 }), fc.nat()), fc.nat({ max: 255 })),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
      fc.oneof(fc.constant(0), fc.nat({ max: good.length })),
      async (liesInOld, lies, cut) => {
        const wrong = Buffer.from(good.subarray(0, good.length - cut));
        for (const [at, value] of lies) {
          if (wrong.length > 0) wrong[(at + 8 * wrong.length) % wrong.length] = value;
        }
        const [old, text] = liesInOld ? [wrong, good] : [good, wrong];
        expect((await decoded(await encoded(old, text, { codec: 'elf' }), old)).equals(text)).toBe(true);
      },
    ),
    { numRuns: 80 },
  );
});

test('files that are no ELF for us: other classes, byte orders, machines, tables outside of the file', () => {
  const good = makeElf(sampleProgram('x86-64', 10));
  expect(readElf(good)?.sections.map(({ name }) => name)).toContain('.eh_frame');
  for (const [at, value] of [
    [4, 1],
    [5, 2],
    [18, 40],
    [41, 255],
    [44, 1],
    [54, 32],
    [83, 255],
  ] as const) {
    const wrong = Buffer.from(good);
    wrong[at] = value;
    expect(readElf(wrong), `byte ${at}`).toBeUndefined();
  }
  expect(readElf(good.subarray(0, 63))).toBeUndefined();
});

test('a block that cannot be packed is not left unheard where an interrupt came before', async () => {
  const program = sampleProgram('x86-64', 30);
  const [old, text] = [makeElf(program), makeElf(nextRelease(sampleProgram('x86-64', 150)))].map(inMemory);
  const plan = await planElf(old!, text!, false);
  const unheard: unknown[] = [];
  const onUnheard = (error: unknown) => unheard.push(error);
  process.on('unhandledRejection', onUnheard);
  const pack = () => Promise.reject(new Error('no memory'));
  const blocks = encodeElf(plan!, old!, text!, pack, new BlockSizer(blockLimit), () => {
    throw new Error('interrupt');
  });
  await expect(blocks.next()).rejects.toThrow('interrupt');
  await setImmediate();
  process.off('unhandledRejection', onUnheard);
  expect(unheard).toEqual([]);
});

test('one prefix more makes an x86-64 instruction one byte longer, whichever of them came first', () => {
  const bytes = Buffer.alloc(64);
  const shape = (...instruction: number[]) => {
    bytes.fill(0x11).set(instruction);
    return distanceIn(bytes, 0);
  };
  // Neither a prefix nor a second table follows.
  const opcodes = [0x01, 0x0f, 0x63, 0x69, 0x80, 0x83, 0x8b, 0x8d, 0xb8, 0xc3, 0xc7, 0xe8, 0xeb, 0xf6, 0xf7, 0xff];
  for (const [each, opcode] of opcodes.entries()) {
    for (let next = 0; next < 256; next++) {
      // With the high bit set, a second opcode stands for a distance to jump, or for ModRM.
      const code = opcode === 0x0f ? [opcode, 0x80 | (next & 31), next] : [opcode, next];
      const order = each % 2 === 0 ? [code, [0x41, ...code]] : [[0x41, ...code], code];
      const shapes = order.map((instruction) => shape(...instruction)).toSorted((a, b) => a.size - b.size);
      const [plain, prefixed] = shapes as [{ size: number; distance: number }, { size: number; distance: number }];
      const distance = plain.distance < 0 ? -1 : plain.distance + 1;
      expect(prefixed, code.map((byte) => byte.toString(16)).join(' ')).toEqual({ size: plain.size + 1, distance });
    }
  }
  // What follows another prefix counts, too.
  expect([shape(0x66, 0x8b, 0xc0), shape(0x66, 0x8b, 0x05)].map(({ size }) => size)).toEqual([3, 7]);
  const sizes = (...instructions: number[][]) => instructions.map((each) => shape(...each).size);
  // So does SIB: whether a distance of four bytes follows.
  expect(sizes([0x8b, 0x04, 0x24], [0x8b, 0x04, 0x25])).toEqual([3, 7]);
  expect(sizes([0x89, 0x04, 0x25], [0x89, 0x04, 0x24])).toEqual([7, 3]);
  // And the opcode behind VEX and EVEX, and what follows that; and ModRM behind 0f 38.
  expect(sizes([0xc5, 0xf8, 0x77], [0xc5, 0xf8, 0x28, 0xc0])).toEqual([3, 4]);
  expect(sizes([0xc5, 0xfc, 0x28, 0xc0], [0xc5, 0xfc, 0x77])).toEqual([4, 3]);
  expect(sizes([0xc4, 0xe1, 0x78, 0x77], [0xc4, 0xe1, 0x78, 0x28, 0xc0])).toEqual([4, 5]);
  expect(sizes([0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc0], [0x62, 0xf1, 0x7c, 0x48, 0x28, 0x05])).toEqual([6, 10]);
  expect(sizes([0x0f, 0x38, 0x00, 0xc0], [0x0f, 0x38, 0x00, 0x05])).toEqual([4, 8]);
  // REX.W: an immediate of eight bytes. 66: of two.
  expect([shape(0xb8), shape(0x48, 0xb8), shape(0x66, 0xb8), shape(0xb8)].map(({ size }) => size)).toEqual([
    5, 10, 4, 5,
  ]);
});

test('any bytes as code: what is split is joined again (property)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat({ max: 2 ** 31 - 1 }), (bytes, address) => {
      const code = new ByteWriter();
      const operands: number[] = [];
      splitX86(bytes, address, code, { put: (operand) => operands.push(operand) });
      const joined = new Uint8Array(bytes.length);
      const reader = new ByteReader(code.view(), 'code');
      joinX86(joined, address, reader, () => operands.shift()!);
      expect(joined).toEqual(bytes);
      expect(reader.left + operands.length).toBe(0);
      const turned = Uint8Array.from(bytes);
      turnAarch64(turned, address, false);
      turnAarch64(turned, address, true);
      expect(turned).toEqual(bytes);
    }),
    { numRuns: 1000 },
  );
});

test('an unwind table is made again as linkers write it, and only when it fits', () => {
  const image = readElf(makeElf(sampleProgram('x86-64', 30)))!;
  const file = makeElf(sampleProgram('x86-64', 30));
  const [table, records] = ['.eh_frame_hdr', '.eh_frame'].map((wanted) => {
    const { offset, size, address } = image.sections.find(({ name }) => name === wanted)!;
    return { start: offset, size, address };
  }) as [{ start: number; size: number; address: number }, { start: number; size: number; address: number }];
  const made = Buffer.from(file);
  made.fill(0, table.start + 12, table.start + table.size);
  const addresses = { table: table.address, records: records.address };
  expect(makeUnwindTable(made, table, records, addresses)).toBe(true);
  expect(made.equals(file)).toBe(true);
  expect(makeUnwindTable(made, { ...table, size: table.size - 8 }, records, addresses)).toBe(false);
});
