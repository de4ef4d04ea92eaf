import { describe, expect, test } from 'vitest';
import { makeElf, sampleProgram } from '../codec/elf-file.ts';
import { wordy } from '../deflate/streams.ts';
import { noise, sampleTar, type SampleEntry } from '../sample-image.ts';
import { accounted, coded, decoded } from './layers.ts';
import { archived, gzipped, zipped, type Packer } from './packed.ts';

const text = wordy(9_000, 1);
/** A changelog: something new in front. */
const later = Buffer.concat([Buffer.from('a new entry of the changelog\n'), text]);
const around: SampleEntry[] = [
  { name: 'usr/', folder: true },
  { name: 'usr/before', bytes: noise(900, 'before') },
];
const behind: SampleEntry = { name: 'usr/behind', bytes: noise(700, 'behind') };
const layer = (...entries: SampleEntry[]) => sampleTar([...around, ...entries, behind]);

interface Outcome {
  bytes: number;
  /** The versions of the list of sources and of the delta. */
  magics: string[];
}

async function roundTrip(old: readonly Buffer[], made: Buffer): Promise<Outcome> {
  const { sources, deltas } = await coded(old, [made]);
  const [delta] = deltas;
  expect((await decoded(old, sources, delta!)).equals(made)).toBe(true);
  const magics = [sources, delta!].map((each) => each.toString('latin1', 0, 4));
  return { bytes: sources.length + delta!.length, magics };
}

describe('a changed file', () => {
  test.each([9, 6, 1, 16 + 6, 32 + 9, 32 + 1] as Packer[])('packed in profile %s costs its change', async (packer) => {
    const name = 'usr/changelog.gz';
    const old = layer({ name, bytes: gzipped(text, packer, 'changelog') });
    const made = layer({ name, bytes: gzipped(later, packer, 'changelog') });
    const { bytes, magics } = await roundTrip([old], made);
    expect(magics).toEqual(['ibs2', 'ibl2']);
    expect(bytes).toBeLessThan(500);
  });

  test('packed in a way that no profile knows is carried as it is', async () => {
    const name = 'usr/changelog.gz';
    const old = layer({ name, bytes: gzipped(text, 'other') });
    const { magics } = await roundTrip([old], layer({ name, bytes: gzipped(later, 'other') }));
    expect(magics).toEqual(['ibs1', 'ibl1']);
  });

  test('whose old one was packed in another way is unpacked all the same', async () => {
    const name = 'usr/changelog.gz';
    const old = layer({ name, bytes: gzipped(text, 'other') });
    const { bytes, magics } = await roundTrip([old], layer({ name, bytes: gzipped(later, 9) }));
    expect(magics).toEqual(['ibs2', 'ibl2']);
    expect(bytes).toBeLessThan(500);
  });

  test('of two members, one of which is unchanged', async () => {
    const name = 'usr/two.gz';
    const same = gzipped(wordy(4_000, 5), 6);
    const old = layer({ name, bytes: Buffer.concat([same, gzipped(text, 6)]) });
    const { bytes } = await roundTrip([old], layer({ name, bytes: Buffer.concat([same, gzipped(later, 6)]) }));
    expect(bytes).toBeLessThan(500);
  });

  test('that is damaged behind its first bytes is carried as it is', async () => {
    const name = 'usr/changelog.gz';
    const damaged = Buffer.from(gzipped(later, 9));
    damaged.fill(0xff, 3_000, 3_050);
    await roundTrip([layer({ name, bytes: gzipped(text, 9) })], layer({ name, bytes: damaged }));
    await roundTrip([layer({ name, bytes: damaged })], layer({ name, bytes: gzipped(later, 9) }));
  });
});

describe('an archive', () => {
  const files = Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`module-${at}.py`, wordy(1_500, 10 + at)]));
  const edited = { ...files, 'module-3.py': Buffer.concat([Buffer.from('a line in front\n'), files['module-3.py']!]) };

  test('of zip: what changed costs its change', async () => {
    const name = 'opt/some-1.0.whl';
    const made = layer({ name: 'opt/some-1.1.whl', bytes: zipped(edited, 6) });
    const { bytes, magics } = await roundTrip([layer({ name, bytes: zipped(files, 6) })], made);
    expect(magics).toEqual(['ibs2', 'ibl2']);
    expect(bytes).toBeLessThan(700);
  });

  test('of zip that is stored in another one', async () => {
    const fat = (inner: Record<string, Buffer>) => zipped({ 'lib/inner.jar': zipped(inner, 6) }, 'stored');
    const name = 'opt/fat.jar';
    const { bytes } = await roundTrip([layer({ name, bytes: fat(files) })], layer({ name, bytes: fat(edited) }));
    expect(bytes).toBeLessThan(700);
  });

  test('of Debian, with members of gzip', async () => {
    const control = gzipped(wordy(300, 20), 41);
    const deb = (contents: Buffer) =>
      archived({
        'debian-binary': Buffer.from('2.0\n'),
        'control.tar.gz': control,
        'data.tar.gz': gzipped(contents, 41),
      });
    const name = 'var/cache/some.deb';
    const { bytes } = await roundTrip([layer({ name, bytes: deb(text) })], layer({ name, bytes: deb(later) }));
    expect(bytes).toBeLessThan(700);
  });

  test('that is new is unpacked where that is smaller', async () => {
    const bytes = zipped(files, 6);
    const outcome = await roundTrip([], layer({ name: 'opt/new.zip', bytes }));
    expect(outcome.magics).toEqual(['ibs1', 'ibl2']);
    expect(outcome.bytes).toBeLessThan(bytes.length);
  });

  test('two entries that are made from one', async () => {
    const old = layer({ name: 'opt/a.zip', bytes: zipped(files, 6) });
    const made = layer(
      { name: 'opt/a.zip', bytes: zipped(edited, 6) },
      { name: 'srv/a.zip', bytes: zipped({ ...edited, more: text }, 6) },
    );
    await roundTrip([old], made);
  });
});

describe('programs within', () => {
  const program = sampleProgram('x86-64', 300);
  const more = sampleProgram('x86-64', 320).functions.slice(300);
  /** Code that moved, which the general coding says address by address. */
  const moved = { ...program, functions: program.functions.toSpliced(100, 1, ...more) };
  const arm = sampleProgram('aarch64', 200, 2);
  const elf = { old: makeElf(program), new: makeElf(moved), arm: makeElf(arm) };
  const armMoved = makeElf({ ...arm, functions: arm.functions.toSpliced(30, 1, ...arm.functions.slice(90, 99)) });
  const plain = async () => {
    const name = 'lib/program';
    return (await roundTrip([layer({ name, bytes: elf.old })], layer({ name, bytes: elf.new }))).bytes;
  };

  test('a zip archive are coded as programs, whose names have versions; what is around them is not', async () => {
    const files = (bytes: Buffer, version: string, second: Buffer) => ({
      'a.py': wordy(900, 3),
      [`lib/libapp.so.${version}`]: bytes,
      'b.py': version === '1' ? text : later,
      'lib/libarm.so': second,
      'c.py': Buffer.from(`version = ${version}\n`),
    });
    const name = 'opt/app.whl';
    const old = layer({ name, bytes: zipped(files(elf.old, '1', elf.arm), 6) });
    const made = layer({ name, bytes: zipped(files(elf.new, '2', armMoved), 6) });
    const { bytes, magics } = await roundTrip([old], made);
    expect(magics).toEqual(['ibs2', 'ibl4']);
    expect(bytes).toBeLessThan(3 * (await plain()));
    const { entries } = await accounted([old], made);
    expect(entries.find(({ path }) => path === name)).not.toHaveProperty('differing');
  });

  test('a tar that is packed', async () => {
    const tar = (bytes: Buffer, version: string) =>
      sampleTar([
        { name: 'bin/', folder: true },
        { name: 'bin/app', bytes, mode: 0o755 },
        { name: 'share/version', bytes: version },
      ]);
    const name = 'opt/app.tar.gz';
    const old = layer({ name, bytes: gzipped(tar(elf.old, '1'), 6) });
    const { bytes } = await roundTrip([old], layer({ name, bytes: gzipped(tar(elf.new, '2'), 6) }));
    expect(bytes).toBeLessThan((await plain()) + 700);
  });

  test('two archives that are made from one', async () => {
    const old = layer({ name: 'opt/a.zip', bytes: zipped({ app: elf.old, text }, 6) });
    const made = layer(
      { name: 'opt/a.zip', bytes: zipped({ app: elf.new, text: later }, 6) },
      { name: 'opt/behind', bytes: noise(3_000, 'other') },
      { name: 'srv/a.zip', bytes: zipped({ text, app: elf.new, arm: elf.arm }, 6) },
    );
    await roundTrip([old], made);
  });

  test('what only seems to be a tar, and what is another program', async () => {
    const cut = sampleTar([{ name: 'app', bytes: elf.new }]).subarray(0, 4_000);
    const name = 'opt/a.zip';
    const old = layer({ name, bytes: zipped({ app: elf.old, tar: elf.arm, text }, 6) });
    await roundTrip([old], layer({ name, bytes: zipped({ app: elf.arm, tar: cut, text: later }, 6) }));
  });
});

test('what an entry costs whose members are unpacked', async () => {
  const name = 'usr/changelog.gz';
  const bytes = gzipped(later, 41);
  const { entries, size } = await accounted([layer({ name, bytes: gzipped(text, 41) })], layer({ name, bytes }));
  const entry = entries.find(({ path }) => path === name)!;
  expect(entry).toMatchObject({ kind: 'changed', source: name, size: bytes.length });
  expect(entry.bytes).toBeGreaterThan(20);
  expect(entry.bytes).toBeLessThan(size);
});
