import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { makeElf, sampleProgram, type Program } from '../codec/elf-file.ts';
import { noise, sampleTar, type SampleEntry } from '../sample-image.ts';
import { accounted, coded, decoded } from './layers.ts';

async function roundTrip(old: readonly Buffer[], text: readonly Buffer[]): Promise<number> {
  const { sources, deltas } = await coded(old, text);
  for (const [at, delta] of deltas.entries()) {
    expect((await decoded(old, sources, delta)).equals(text[at]!)).toBe(true);
  }
  return deltas.reduce((sum, delta) => sum + delta.length, sources.length);
}

const contents = fc.oneof(
  fc.constant(Buffer.alloc(0)),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 9_000 })).map(([seed, size]) => noise(size, seed)),
  fc.nat({ max: 3 }).map((seed) => Buffer.from(`some text of ${seed}\n`.repeat(200 + seed))),
  fc.nat({ max: 3 }).map((seed) => makeElf(sampleProgram(seed % 2 === 0 ? 'x86-64' : 'aarch64', 20, 1 + seed))),
);
const directory = fc.constantFrom('', 'a/', 'a/b/', 'usr/share/', `${'deep/'.repeat(30)}`);
const fileName = fc.constantFrom('one', 'two.so.1', 'two.so.2', 'é', '.wh.one', '.wh..wh..opq', 'x'.repeat(120));
const entry = fc
  .tuple(directory, fileName, fc.constantFrom('file', 'file', 'file', 'folder', 'link', 'symlink'), contents)
  .map(([folder, file, kind, bytes]): SampleEntry => {
    const name = folder + file;
    if (kind === 'folder') return { name: `${name}/`, folder: true };
    if (kind === 'link') return { name, link: `${folder}two.so.1` };
    if (kind === 'symlink') return { name, symlink: 'y'.repeat(name.length) };
    return { name, bytes };
  });
const layer = fc.array(entry, { maxLength: 9 });

/** What happens to an entry from one release to the next. */
const change = fc.constantFrom('keep', 'keep', 'keep', 'edit', 'move', 'drop', 'time', 'grow', 'double');

function changed(before: SampleEntry, how: string): SampleEntry[] {
  if (how === 'drop') return [];
  if (how === 'move') return [{ ...before, name: `moved/${before.name}` }];
  if (how === 'double') return [before, { ...before, name: `again/${before.name}` }];
  if (!('bytes' in before) || how === 'keep') return [before];
  const bytes = Buffer.from(before.bytes);
  if (how === 'time') return [{ ...before, mtime: 1_720_000_000 }];
  if (how === 'grow')
    return [{ ...before, bytes: Buffer.concat([bytes, Buffer.from('more'), bytes.subarray(0, 700)]) }];
  for (let at = 3; at < bytes.length; at += 211) bytes[at]! += 9;
  return [{ ...before, bytes }];
}

const pair = fc
  .tuple(fc.array(layer, { maxLength: 3 }), fc.array(change, { minLength: 30, maxLength: 30 }), layer, fc.boolean())
  .map(([old, changes, added, merged]) => {
    let at = 0;
    const next = old.map((entries) => entries.flatMap((each) => changed(each, changes[at++]!)));
    const layers = merged ? [next.flat(), added] : [...next.toReversed(), added];
    return {
      old: old.map((entries) => sampleTar(entries)),
      text: layers.map((entries) => sampleTar(entries, 1_710_000_000)),
    };
  });

test('whatever became of a tree, the new filesystem layers come out', async () => {
  await fc.assert(
    fc.asyncProperty(pair, async ({ old, text }) => {
      // Those that the old image has too are never coded.
      const missing = text.filter(
        (tar, at) => !old.some((each) => each.equals(tar)) && text.findIndex((each) => each.equals(tar)) === at,
      );
      if (missing.length > 0) await roundTrip(old, missing);
    }),
    { numRuns: 60 },
  );
}, 120_000);

describe('cases', () => {
  const files = Array.from({ length: 40 }, (_, at): SampleEntry => ({
    name: `lib/file-${at}`,
    bytes: noise(2_000 + 700 * at, at),
  }));
  const folder: SampleEntry = { name: 'lib/', folder: true };
  const old = sampleTar([folder, ...files]);

  test('only times changed: next to nothing, however many files there are', async () => {
    const empty = Array.from({ length: 1_000 }, (_, at): SampleEntry => ({
      name: `lib/module-${at}.py`,
      bytes: 'a'.repeat((at * 37) % 3_000),
      mtime: 1_600_000_000 + (at % 900),
    }));
    const built = empty.map((each) => ({ ...each, mtime: 1_720_000_000 }));
    expect(await roundTrip([sampleTar(empty)], [sampleTar(built)])).toBeLessThan(350);
    expect(await roundTrip([old], [sampleTar([folder, ...files], 1_710_000_000)])).toBeLessThan(250);
  });

  test('times of some files are those of the build', async () => {
    const aged = files.map((each, at) => (at % 5 === 0 ? { ...each, mtime: 1_710_000_000 } : each));
    const again = files.map((each, at) => (at % 9 === 0 ? each : { ...each, mtime: 1_720_000_000 }));
    const added: SampleEntry = { name: 'lib/new', bytes: 'new', mtime: 1_720_000_000 };
    expect(await roundTrip([sampleTar(aged)], [sampleTar([...again, added])])).toBeLessThan(600);
  });

  test('headers that no usual writer makes stay as they are', async () => {
    const odd = sampleTar([folder, ...files], 1_710_000_000);
    for (let at = 0, number = 0; odd[at] !== 0; number++) {
      const size = Number.parseInt(odd.toString('latin1', at + 124, at + 135), 8);
      if (number % 3 === 0) odd.write(' ', at + 136, 'latin1');
      odd.fill(' ', at + 148, at + 156);
      const sum = odd.subarray(at, at + 512).reduce((all, byte) => all + byte, 0);
      const digits = sum.toString(8);
      odd.write(
        number % 4 === 0 ? `${digits.padStart(7, '0')}\0` : `${digits.padStart(6, '0')}\0 `,
        at + 148,
        'latin1',
      );
      at += 512 + Math.ceil(size / 512) * 512;
    }
    await roundTrip([old], [odd]);
    await roundTrip([odd], [sampleTar([folder, ...files], 1_720_000_000)]);
  });

  test('two filesystem layers merged', async () => {
    const [first, second] = [sampleTar(files.slice(0, 20)), sampleTar(files.slice(20))];
    expect(await roundTrip([first, second], [sampleTar(files)])).toBeLessThan(300);
  });

  test('a filesystem layer split in two', async () => {
    expect(await roundTrip([old], [sampleTar(files.slice(0, 20)), sampleTar(files.slice(20))])).toBeLessThan(400);
  });

  test('a file moved between filesystem layers', async () => {
    const [first, second] = [sampleTar(files.slice(0, 20)), sampleTar(files.slice(20))];
    const text = [sampleTar(files.slice(0, 21)), sampleTar(files.slice(21))];
    expect(await roundTrip([first, second], text)).toBeLessThan(400);
  });

  test('a file moved and renamed costs its name', async () => {
    const moved = files.with(7, { name: 'srv/elsewhere', bytes: (files[7] as { bytes: Buffer }).bytes });
    expect(await roundTrip([old], [sampleTar([folder, ...moved])])).toBeLessThan(300);
  });

  test('a file that is renamed and edited is found by its contents', async () => {
    const text = Array.from({ length: 900 }, (_, at) => `line ${at} of ${(at * 7_919) % 10_007}\n`);
    const before: SampleEntry = { name: 'lib/before.txt', bytes: text.join('') };
    const edited = text.toSpliced(300, 5, 'some other lines\n').toSpliced(0, 20);
    const after: SampleEntry = { name: 'srv/quite-another', bytes: edited.join('') };
    expect(await roundTrip([sampleTar([folder, ...files, before])], [sampleTar([after])])).toBeLessThan(400);
    const program = sampleProgram('x86-64', 150);
    const next = program.functions.toSpliced(10, 1);
    const old64 = sampleTar([...files, { name: 'bin/tool', bytes: makeElf(program) }]);
    const renamed = sampleTar([{ name: 'sbin/program', bytes: makeElf({ ...program, functions: next }) }]);
    expect(await roundTrip([old64], [renamed])).toBeLessThan(1_200);
  });

  test('a file that a higher filesystem layer replaced, or a whiteout hid, is a source', async () => {
    const hides = sampleTar([
      { name: 'lib/file-39', bytes: 'replaced' },
      { name: 'lib/.wh.file-38', bytes: '' },
    ]);
    const text = sampleTar([files[39]!, files[38]!]);
    expect(await roundTrip([old, hides], [text])).toBeLessThan(400);
  });

  test('an opaque folder, hard links, empty files', async () => {
    const entries: SampleEntry[] = [
      folder,
      { name: 'lib/.wh..wh..opq', bytes: '' },
      ...files,
      { name: 'lib/hard', link: 'lib/file-3' },
      { name: 'lib/empty', bytes: '' },
    ];
    expect(await roundTrip([old], [sampleTar(entries)])).toBeLessThan(500);
  });

  test('empty filesystem layers', async () => {
    await roundTrip([Buffer.alloc(1_024)], [Buffer.alloc(10_240), Buffer.alloc(0)]);
    await roundTrip([], [Buffer.alloc(10_240), old]);
  });

  test('the same filesystem layer twice in the old image', async () => {
    expect(await roundTrip([old, old], [sampleTar([...files, folder])])).toBeLessThan(400);
  });

  test('what is no tar, and one that is cut', async () => {
    const cut = old.subarray(0, old.length - 7_000);
    await roundTrip([old], [Buffer.from('no tar at all'), noise(3_000, 'none'), cut]);
    expect(await roundTrip([old], [Buffer.concat([old, noise(900, 'behind the end')])])).toBeLessThan(1_400);
  });

  test('padding that is not zero', async () => {
    const odd = Buffer.from(sampleTar([{ name: 'a', bytes: noise(700, 1) }, ...files]));
    odd.fill(0x55, 512 + 700, 512 + 1_024);
    await roundTrip([old], [odd]);
    await roundTrip([odd], [sampleTar([{ name: 'a', bytes: noise(700, 1) }, folder, ...files])]);
  });
});

describe('programs', () => {
  const program = sampleProgram('x86-64', 150);
  const elf = makeElf(program);
  const later = makeElf({
    ...program,
    functions: program.functions.toSpliced(10, 4, ...sampleProgram('x86-64', 160).functions.slice(150)),
  });
  const layerOf = (bytes: Buffer) =>
    sampleTar([
      { name: 'usr/', folder: true },
      { name: 'usr/program', bytes },
      { name: 'usr/text', bytes: 'text' },
    ]);

  test('a changed one costs less than as any other bytes', async () => {
    const bytes = await roundTrip([layerOf(elf)], [layerOf(later)]);
    const hidden = (from: Buffer) => Buffer.concat([Buffer.from('not '), from]);
    expect(bytes).toBeLessThan(await roundTrip([layerOf(hidden(elf))], [layerOf(hidden(later))]));
  });

  test('what is new in several of one build is sent once', async () => {
    const addition = sampleProgram('x86-64', 300).functions.slice(150);
    const build = (seed: number, more: typeof addition) => {
      const own = sampleProgram('x86-64', 40 + seed, 1 + seed);
      return makeElf({ ...own, functions: own.functions.toSpliced(10, 0, ...more) });
    };
    const tar = (count: number, more: typeof addition) =>
      sampleTar(Array.from({ length: count }, (_, at) => ({ name: `lib/module-${at}.so`, bytes: build(at, more) })));
    const one = await roundTrip([tar(1, [])], [tar(1, addition)]);
    const four = await roundTrip([tar(4, [])], [tar(4, addition)]);
    expect(four).toBeLessThan(2.5 * one);
  });

  test('several large ones are coded side by side', async () => {
    const large = (made: Program, seed: string) =>
      makeElf({ ...made, constants: [...made.constants, { name: 'large', bytes: noise(2_200_000, seed) }] });
    const reversed = { ...program, functions: program.functions.toReversed() };
    const both = (made: Program) => sampleTar(['one', 'two'].map((seed) => ({ name: seed, bytes: large(made, seed) })));
    let started = 0;
    const count = () => void started++;
    process.on('worker', count);
    try {
      expect(await roundTrip([both(program)], [both(reversed)])).toBeLessThan(100_000);
    } finally {
      process.off('worker', count);
    }
    expect(started).toBeGreaterThan(0);
  }, 120_000);

  test.each([
    ['truncated', later.subarray(0, later.length - 3_000)],
    ['only a header', later.subarray(0, 64)],
    ['less than a header', later.subarray(0, 40)],
    ['lying about its sections', lying(later, 40, 0xff)],
    ['lying about its segments', lying(later, 32, 0x7f)],
    ['of another machine', lying(later, 18, 183)],
  ])('a %s one', async (_, bytes) => {
    await roundTrip([layerOf(elf)], [layerOf(bytes)]);
    await roundTrip([layerOf(bytes)], [layerOf(elf)]);
  });

  function lying(bytes: Buffer, at: number, value: number): Buffer {
    const lie = Buffer.from(bytes);
    lie[at] = value;
    return lie;
  }
});

test('what each entry costs, and what became of it', async () => {
  const elf = sampleProgram('x86-64', 150);
  const functions = elf.functions.toSpliced(10, 4, ...sampleProgram('x86-64', 160).functions.slice(150));
  const unchanged = ['one', 'two', 'three'].map((name): SampleEntry => ({ name, bytes: noise(2_000, name) }));
  const old = sampleTar([
    { name: 'folder/', folder: true },
    ...unchanged,
    { name: 'program', bytes: makeElf(elf) },
    { name: 'here', bytes: noise(3_000, 4) },
    { name: 'edited', bytes: noise(5_000, 5) },
  ]);
  const text = sampleTar([
    { name: 'folder/', folder: true },
    { ...unchanged[0]!, mtime: 1_710_000_000 } as SampleEntry,
    ...unchanged.slice(1),
    { name: 'program', bytes: makeElf({ ...elf, functions }) },
    { name: 'there', bytes: noise(3_000, 4) },
    { name: 'edited', bytes: Buffer.concat([noise(5_000, 5), noise(500, 6)]) },
    { name: 'new', bytes: noise(4_000, 7) },
  ]);
  const { entries, size } = await accounted([old], text);
  expect(entries.map(({ path, kind, source }) => [path, kind, source])).toEqual([
    ['folder', 'same', 'folder'],
    ['one', 'header-only', 'one'],
    ['two', 'same', 'two'],
    ['three', 'same', 'three'],
    ['program', 'changed', 'program'],
    ['there', 'moved', 'here'],
    ['edited', 'changed', 'edited'],
    ['new', 'new', undefined],
  ]);
  const bytes = Object.fromEntries(entries.map((each) => [each.path, each.bytes]));
  expect(bytes['new']).toBeGreaterThan(3_900);
  expect(bytes['edited']).toBeGreaterThan(480);
  expect(bytes['edited']).toBeLessThan(700);
  for (const name of ['two', 'three', 'there']) expect(bytes[name], name).toBeLessThan(80);
  const sum = entries.reduce((total, each) => total + each.bytes, 0);
  expect(sum).toBeLessThanOrEqual(size);
  expect(sum).toBeGreaterThan(size - 100);
});

test('is the same whether old filesystem layers were kept on the disk, some of them, or none', async () => {
  const words = (seed: string) => Buffer.from(noise(3000, seed).toString('hex'));
  const programs = [makeElf(sampleProgram('x86-64', 20, 1)), makeElf(sampleProgram('x86-64', 20, 2))] as const;
  const edited = (bytes: Buffer) => Buffer.concat([bytes.subarray(0, 2000), Buffer.from('new'), bytes.subarray(2000)]);
  const old = [
    sampleTar([
      { name: 'a', bytes: words('a') },
      { name: 'lib.so', bytes: programs[0] },
    ]),
    sampleTar([
      { name: 'b', bytes: words('b') },
      { name: 'c', bytes: words('c') },
      { name: '../d', bytes: words('d') },
    ]),
  ];
  const text = [
    sampleTar([
      { name: 'a', bytes: edited(words('a')) },
      { name: 'lib.so', bytes: programs[1] },
      { name: 'b', bytes: edited(words('b')) },
      { name: 'another', bytes: edited(words('c')) },
      { name: 'outside', bytes: edited(words('d')) },
    ]),
  ];
  const all = await coded(old, text);
  expect((await decoded(old, all.sources, all.deltas[0]!)).equals(text[0]!)).toBe(true);
  for (const most of [0, old[0]!.length]) expect(await coded(old, text, most)).toEqual(all);
});
