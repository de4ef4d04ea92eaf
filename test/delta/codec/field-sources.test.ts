import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AddressMap } from '../../../src/delta/codec/elf/addresses.ts';
import { chunkSize, FieldFinder } from '../../../src/delta/codec/elf/field-finder.ts';
import { FieldList } from '../../../src/delta/codec/elf/field.ts';
import { FoundFields, KnownFields, type FieldSource } from '../../../src/delta/codec/elf/field-sources.ts';
import { readElf } from '../../../src/delta/codec/elf/image.ts';
import { findJumpTables } from '../../../src/delta/codec/elf/jump-tables.ts';
import { layoutOf } from '../../../src/delta/codec/elf/layout.ts';
import { normalise } from '../../../src/delta/codec/elf/normalise.ts';
import { makeElf, sampleProgram } from './elf-file.ts';

const bytes = makeElf({ ...sampleProgram('x86-64', 400, 5, true), go: true });
const layout = layoutOf(readElf(bytes)!, bytes);
const { tables, fields } = normalise(Buffer.from(bytes), layout);
const chunks = Math.ceil(bytes.length / chunkSize);

function listed(source: FieldSource, chunk: number): number[][] {
  const { list, start, end } = source.of(chunk);
  return [list.position, list.kind, list.target, list.base].map((each) => [...each.subarray(start, end)]);
}

test('what was found before is what is found when it is asked for, in any order of chunks (property)', () => {
  const view = { size: bytes.length, view: (start: number, end: number) => bytes.subarray(start, end) };
  const found = new FoundFields(new FieldFinder(view, { ...layout, tables }));
  fc.assert(
    fc.property(fc.array(fc.nat({ max: chunks - 1 }), { minLength: 1 }), (asked) => {
      const known = new KnownFields(fields);
      for (const chunk of asked) {
        expect(listed(known, chunk)).toEqual(listed(found, chunk));
        if (chunk + 1 < chunks) expect(listed(known, chunk + 1)).toEqual(listed(found, chunk + 1));
      }
    }),
    { numRuns: 60 },
  );
});

test('fields of two lists in one chunk come in order of their places; of equal ones, the first list comes first', () => {
  const [first, second] = [new FieldList(), new FieldList()];
  for (const at of [8, 20, 2000]) first.push(at, 1, at, 0);
  for (const at of [4, 20, 30]) second.push(at, 2, at, 0);
  const [positions, kinds] = listed(new KnownFields([first, second]), 0);
  expect(positions).toEqual([4, 8, 20, 20, 30]);
  expect(kinds).toEqual([2, 1, 1, 2, 2]);
});

test('a jump table ends where the next one begins, and where what it leads to is no code', () => {
  const segments = [{ offset: 0, address: 0x1000, size: 4096, memory: 4096 }];
  const code = { kind: 'x86-64' as const, start: 0, size: 1024, bases: [] };
  const data = { kind: 'data' as const, start: 1024, size: 1024, bases: [] };
  const file = Buffer.alloc(4096);
  const loads = new FieldList();
  for (const [each, table] of [1100, 1028, 1100, 1044, 1030].entries()) {
    file[100 + 10 * each] = 0x8d;
    loads.push(102 + 10 * each, 1, 0x1000 + table, 4);
  }
  // All lead to code, from whichever table they are counted, but the fifth entry from 1100 on.
  for (let at = 1024; at < 1120; at += 4) file.writeInt32LE(-1000, at);
  file.writeInt32LE(4000, 1116);
  const found = findJumpTables(
    file,
    { segments, sections: [code, data], tables, low: 0, high: 0 },
    new AddressMap(segments),
    loads,
  );
  expect([...found]).toEqual([1028, 4, 1044, 14, 1100, 4]);
});
