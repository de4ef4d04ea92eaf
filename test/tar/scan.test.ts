import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, linkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTar, type TarEntry } from '../../src/tar/extract.ts';
import { TarScanner } from '../../src/tar/scan.ts';

let folder: string;
let tree: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-scan-'));
  tree = join(folder, 'tree');
  mkdirSync(join(tree, 'd'.repeat(120)), { recursive: true });
  writeFileSync(join(tree, 'plain.txt'), 'plain\n');
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(join(tree, 'block'), Buffer.alloc(1024, 7));
  writeFileSync(join(tree, 'd'.repeat(120), 'n'.repeat(140)), 'long\n');
  linkSync(join(tree, 'plain.txt'), join(tree, 'zz-hard'));
  symlinkSync('l'.repeat(150), join(tree, 'soft'));
  const holes = join(tree, 'holes');
  writeFileSync(holes, 'x');
  // So many parts that the map of a sparse file goes on behind its header.
  for (let part = 1; part < 40; part++) {
    truncateSync(holes, part * 65_536);
    writeFileSync(holes, 'y', { flag: 'a' });
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Seen = Omit<TarEntry, 'pax'> & { pax: [string, string][]; contents: string };

/** What came of it: entries whose contents came, then an error if there was one. */
type Outcome = { seen: Seen[]; error: string | undefined };

function seen({ header, pax, start, contentStart, sparse }: TarEntry, parts: readonly Buffer[]): Seen {
  const records = [...pax].map(([key, value]): [string, string] => [key, value.toString('latin1')]);
  return { header, pax: records, start, contentStart, sparse, contents: Buffer.concat(parts).toString('latin1') };
}

async function* whole(tar: Buffer): AsyncGenerator<Buffer> {
  yield tar;
}

async function byReader(tar: Buffer): Promise<Outcome> {
  const found: Seen[] = [];
  try {
    for await (const entry of readTar(whole(tar))) {
      const parts: Buffer[] = [];
      for await (const chunk of entry.contents()) parts.push(chunk);
      found.push(seen(entry, parts));
    }
    return { seen: found, error: undefined };
  } catch (error) {
    return { seen: found, error: (error as Error).message };
  }
}

function byScanner(tar: Buffer, piece: number): Outcome {
  const found: Seen[] = [];
  let entry: TarEntry;
  let parts: Buffer[] = [];
  const scanner = new TarScanner({
    begin(next) {
      entry = next;
      parts = [];
    },
    contents: (chunk) => void parts.push(Buffer.from(chunk)),
    end: () => void found.push(seen(entry, parts)),
  });
  try {
    for (let at = 0; at < tar.length; at += piece) scanner.push(tar.subarray(at, at + piece));
    scanner.end();
    return { seen: found, error: undefined };
  } catch (error) {
    return { seen: found, error: (error as Error).message };
  }
}

describe.each(['gnu', 'gnu --sparse', 'pax', 'pax --sparse', 'ustar', 'v7'])(
  'an archive of the format %s',
  (format) => {
    const tarOf = () => {
      const [name, ...more] = format.split(' ');
      const isOld = name === 'ustar' || name === 'v7';
      const left = isOld ? ['--exclude=ddd*', '--exclude=soft'] : [];
      if (more.length === 0) left.push('--exclude=holes');
      return execFileSync('tar', [`--format=${name}`, '--sort=name', ...more, ...left, '-C', tree, '-c', '.']);
    };

    test.each([1, 321, 512, 70_001])('is read as the waiting reader does, in pieces of %d bytes', async (piece) => {
      const tar = tarOf();
      const expected = await byReader(tar);
      expect(expected.error).toBeUndefined();
      expect(expected.seen.length).toBeGreaterThan(4);
      expect(byScanner(tar, piece)).toEqual(expected);
    });

    test('is cut or damaged in the same words, after the same entries', async () => {
      const tar = tarOf();
      const damage = fc.record({
        size: fc.nat(tar.length),
        flips: fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { maxLength: 2 }),
        piece: fc.integer({ min: 1, max: 5000 }),
      });
      await fc.assert(
        fc.asyncProperty(damage, async ({ size, flips, piece }) => {
          const damaged = Buffer.from(tar.subarray(0, size));
          for (const [at, value] of flips) if (at < size) damaged[at] = value;
          expect(byScanner(damaged, piece)).toEqual(await byReader(damaged));
        }),
        { numRuns: 60 },
      );
    });
  },
);
