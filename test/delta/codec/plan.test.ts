import { expect, test } from 'vitest';
import type { FieldList } from '../../../src/delta/codec/elf/field.ts';
import { planElf, smallestForThread, type ElfPlan } from '../../../src/delta/codec/elf/plan.ts';
import { startPreparing } from '../../../src/delta/codec/elf/preparing-thread.ts';
import { threadFile } from '../../../src/delta/codec/thread-file.ts';
import { Failure } from '../../../src/failure.ts';
import { makeElf, sampleProgram } from './elf-file.ts';
import { inMemory } from './files.ts';

/** Large enough for a thread. */
function release(machine: 'x86-64' | 'aarch64', without: number): Buffer {
  const program = sampleProgram(machine, 1500, 1);
  const constants = [...program.constants, { name: 'large', bytes: Buffer.alloc(2 ** 21, 'constant') }];
  return makeElf({ ...program, functions: program.functions.filter((_, at) => at !== without), constants });
}

/** A plan as its values alone: lists of fields may have room for more. */
function values({ model, copies, fields, tables }: ElfPlan): unknown {
  const used = ({ count, position, kind, target, base }: FieldList) =>
    [position, kind, target, base].map((each) => [...each.subarray(0, count)]);
  return { model, copies, tables, fields: fields.map(used) };
}

test.each(['x86-64', 'aarch64'] as const)('%s: a thread beside makes the plan that none makes', async (machine) => {
  const last = sampleProgram(machine, 1500, 1).functions.length;
  const [old, text] = [release(machine, last), release(machine, last - 1)].map(inMemory);
  expect(text!.size).toBeGreaterThan(smallestForThread);
  const [alone, beside] = [await planElf(old!, text!, false), await planElf(old!, text!, true)];
  expect(alone!.copies.count).toBeGreaterThan(0);
  expect(alone!.fields[0]!.count).toBeGreaterThan(1000);
  expect(values(beside!)).toEqual(values(alone!));
});

test('an old file that lies about itself has no plan, whatever the thread is at', async () => {
  const text = release('x86-64', 0);
  const old = Buffer.from(text);
  // The sections lead out of the file.
  old.writeUInt32LE(old.length, 40);
  expect(await planElf(inMemory(old), inMemory(text), true)).toBeUndefined();
});

test('what a thread throws is thrown to whoever waits for it', async () => {
  const thread = startPreparing();
  const sections = [{ name: '.data', kind: 'data' as const, start: 0, size: 4096, bases: [] }];
  const segments = [{ offset: 0, address: 0, size: 4096, memory: 4096 }];
  const layout = { segments, sections, tables: new Int32Array(0), low: 0, high: 0 };
  await expect(thread.prepare({ bytes: null as never, layout })).rejects.toThrow(TypeError);
  await thread.close();
});

test.each([
  [
    'when it is asked',
    "import { parentPort } from 'node:worker_threads'; parentPort.once('message', () => process.exit(0));",
  ],
  ['at once', ''],
])('a thread that ends without an answer, %s, is an error', async (_, program) => {
  const thread = startPreparing(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  await expect(thread.prepare({} as never)).rejects.toThrow('a thread that prepares a program has ended');
  // Nor is one that asks later left waiting.
  await expect(thread.prepare({} as never)).rejects.toThrow('a thread that prepares a program has ended');
  await thread.close();
});

test('a thread whose file is missing is a failure that says what to do', () => {
  expect(() => threadFile(import.meta.url, './none.js')).toThrow(Failure);
  expect(() => threadFile(import.meta.url, './none.js')).toThrow('none.js is missing beside the program');
});
