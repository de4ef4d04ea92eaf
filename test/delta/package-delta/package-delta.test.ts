import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodePackage } from '../../../src/delta/package-delta/encode.ts';
import { rebuildPackage } from '../../../src/delta/package-delta/decode.ts';
import type { InstalledFile } from '../../../src/delta/package-delta/installed-files.ts';
import type { SourcePackage } from '../../../src/image-source/image.ts';
import { silent } from '../../../src/progress.ts';
import { noise } from '../sample-image.ts';
import { filesOf, long, makeDeb as makeSampleDeb } from './debs.ts';
import { safetensors, sampleTensors } from '../tensors/models.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-package-delta-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { signal } = new AbortController();
const makeDeb = (version: string, compression: string, files: Record<string, Buffer | string>) =>
  makeSampleDeb(folder, version, compression, files);

/** As a device has it: dpkg keeps control files apart. */
const installed = (tree: string) => (file: InstalledFile) => createReadStream(join(tree, file.path));

async function rebuild(
  made: NonNullable<Awaited<ReturnType<typeof encodePackage>>>,
  contents: (file: InstalledFile) => AsyncIterable<Buffer> | undefined,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  const sink = { write: (bytes: Uint8Array) => void parts.push(Buffer.from(bytes)) };
  const options = { what: 'app 2', plain: made.plain, contents, temporary: join(folder, 'ranges'), signal };
  await rebuildPackage(createReadStream(made.path), sink, options);
  return Buffer.concat(parts);
}

const encode = (from: SourcePackage, to: SourcePackage, progress = silent) =>
  encodePackage(from, to, { prefix: join(folder, 'made'), progress, signal });

describe('a delta of a package', () => {
  test.each(['zstd', 'xz', 'gzip', 'none'])(
    'gives what dpkg-deb -Z%s has packed, from the installed files',
    async (compression) => {
      const [one, two] = [makeDeb('1', 'xz', filesOf('1')), makeDeb('2', compression, filesOf('2'))];
      const made = (await encode(one, two))!;
      expect(made.size).toBeLessThan(two.size * 0.05);
      const read: string[] = [];
      const plain = await rebuild(made, (file) => {
        read.push(file.path);
        return installed(one.tree)(file);
      });
      expect(read.toSorted()).toEqual(['DEBIAN/postinst', 'usr/lib/app/big', long, 'usr/lib/app/same'].toSorted());

      const rebuilt = join(folder, 'rebuilt.deb');
      writeFileSync(rebuilt, plain);
      const shown = (file: string, ...args: string[]) =>
        execFileSync('dpkg-deb', [...args, file], { maxBuffer: 2 ** 26 });
      for (const args of [['--fsys-tarfile'], ['--ctrl-tarfile'], ['-c'], ['-f']]) {
        expect(shown(rebuilt, ...args).equals(shown(two.file, ...args)), args[0]).toBe(true);
      }
      expect(shown(rebuilt, '-I').toString()).toContain('Version: 2');
      expect(execFileSync('ar', ['t', rebuilt]).toString()).toBe('debian-binary\ncontrol.tar\ndata.tar\n');
      expect(createHash('sha256').update(plain).digest('hex')).toBe(made.plain.sha256);
    },
  );

  test('has models by the planes of their numbers', async () => {
    const model = (by: number) => safetensors(sampleTensors(['f32'], by));
    const path = 'opt/app/models/net.safetensors';
    const [one, two] = [makeDeb('1', 'none', { [path]: model(0) }), makeDeb('2', 'none', { [path]: model(0.001) })];
    const made = (await encode(one, two))!;
    // Half of the bits of each number are others: what is no model would be sent nearly whole.
    expect(made.size).toBeLessThan(0.7 * model(0).length);
    const plain = await rebuild(made, installed(one.tree));
    expect(createHash('sha256').update(plain).digest('hex')).toBe(made.plain.sha256);
  });

  test('names the file that was altered, or is missing', async () => {
    const [one, two] = [makeDeb('1', 'xz', filesOf('1')), makeDeb('2', 'xz', filesOf('2'))];
    const made = (await encode(one, two))!;
    const altered = join(one.tree, 'usr/lib/app/same');
    const bytes = readFileSync(altered);
    bytes[7]! ^= 1;
    writeFileSync(altered, bytes);
    await expect(rebuild(made, installed(one.tree))).rejects.toMatchObject({
      because: 'it is made from the file usr/lib/app/same, which is another one here',
      kind: 'input',
    });
    await expect(rebuild(made, () => undefined)).rejects.toMatchObject({
      because: expect.stringContaining('DEBIAN/postinst, which is not there'),
    });
  });

  test('is none where the package is new all over, or of a kind that has no plain form', async () => {
    const [one, two] = [
      makeDeb('1', 'xz', filesOf('1')),
      makeDeb('2', 'xz', { 'usr/lib/app/other': noise(200_000, 'other') }),
    ];
    rmSync(join(two.tree), { recursive: true });
    expect(await encode(one, two)).toBeUndefined();
    const notes: string[] = [];
    const more = join(folder, 'more');
    writeFileSync(more, 'signed');
    execFileSync('ar', ['q', two.file, more], { stdio: 'ignore' });
    const size = statSync(two.file).size;
    expect(await encode(one, { ...two, size }, { ...silent, note: (text) => void notes.push(text) })).toBeUndefined();
    expect(notes).toEqual(['the package app 2 goes whole: app 2 cannot be unpacked: it has a part more']);
  });

  test('is refused wherever a byte of it is another one', async () => {
    const [one, two] = [makeDeb('1', 'none', filesOf('1')), makeDeb('2', 'none', filesOf('2'))];
    const made = (await encode(one, two))!;
    const good = readFileSync(made.path);
    for (let at = 0; at < good.length; at += Math.ceil(good.length / 25)) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x11;
      writeFileSync(made.path, bad);
      await expect(rebuild(made, installed(one.tree)), `byte ${at}`).rejects.toThrow();
    }
    writeFileSync(made.path, good.subarray(0, -1));
    await expect(rebuild(made, installed(one.tree))).rejects.toThrow();
  });
});
