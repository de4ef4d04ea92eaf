import { randomBytes } from 'node:crypto';
import { lstatSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stampOf, textFile, type FileEntry } from '../../src/deb/entry.ts';
import { chooseCompression } from '../../src/deb/sample.ts';

const folder = mkdtempSync(join(tmpdir(), 'imgbuild-sample-'));
let count = 0;
function onDisk(bytes: Buffer): FileEntry {
  const path = join(folder, String(count++));
  writeFileSync(path, bytes);
  const source = { from: 'disk', path, name: path, stamp: stampOf(lstatSync(path, { bigint: true })) } as const;
  return { type: 'file', path: `opt/${count}`, mode: 0o644, size: bytes.length, source };
}
const random = (size: number) => randomBytes(size);
const text = (size: number) => Buffer.from(randomBytes(size / 2).toString('hex'));

test.each<[string, FileEntry[], boolean, string]>([
  ['little', [onDisk(text(4_000_000))], true, 'gzip'],
  ['random bytes', [onDisk(random(9_000_000))], true, 'stored'],
  ['random bytes in many files', Array.from({ length: 50 }, () => onDisk(random(200_001))), true, 'stored'],
  ['text', [onDisk(text(9_000_000))], true, 'strong-zstd'],
  ['text that we made', [textFile('a', text(9_000_000))], true, 'strong-zstd'],
  ['text that a target cannot read', [onDisk(text(9_000_000))], false, 'xz'],
  ['random bytes with a fifth of text', [onDisk(random(8_000_000)), onDisk(text(2_000_000))], true, 'strong-zstd'],
  ['random bytes with a hundredth of text', [onDisk(random(9_900_000)), onDisk(text(100_000))], true, 'stored'],
])('%s', async (_, files, zstd, expected) => {
  expect(await chooseCompression(files, zstd)).toBe(expected);
});
