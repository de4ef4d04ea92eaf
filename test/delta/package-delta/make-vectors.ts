/**
 * Writes the vectors that other decoders are tested with: `node test/delta/package-delta/make-vectors.ts`. They are made anew
 * when the format changes, and are not what this encoder must put out to the byte.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodePackage } from '../../../src/delta/package-delta/encode.ts';
import type { SourcePackage } from '../../../src/image-source/image.ts';
import { silent } from '../../../src/progress.ts';
import { vectorFiles, type Vector } from './vector-files.ts';

const folder = path.join(import.meta.dirname, 'vectors');
const temporary = mkdtempSync(path.join(tmpdir(), 'imgbuild-vectors-'));
const { signal } = new AbortController();

function packed(version: string): SourcePackage {
  const tree = path.join(temporary, version);
  const control = `Package: app\nVersion: ${version}\nArchitecture: all\nMaintainer: Tests <tests@example.com>\nDescription: for tests\n`;
  for (const [name, text] of Object.entries({ ...vectorFiles(version), 'DEBIAN/control': control })) {
    mkdirSync(path.join(tree, path.dirname(name)), { recursive: true, mode: 0o755 });
    writeFileSync(path.join(tree, name), text, { mode: 0o644 });
  }
  const file = `${tree}.deb`;
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', tree, file], {
    env: { ...process.env, SOURCE_DATE_EPOCH: '1' },
  });
  const bytes = readFileSync(file);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { name: 'app', version, architecture: 'all', size: bytes.length, sha256, bytes: () => createReadStream(file) };
}

const vectors: Vector[] = [];
for (const [from, to] of [
  ['1', '2'],
  ['2', '3'],
] as const) {
  const made = await encodePackage(packed(from), packed(to), {
    prefix: path.join(temporary, from),
    progress: silent,
    signal,
  });
  const delta = `${from}-${to}.package-delta`;
  writeFileSync(path.join(folder, delta), readFileSync(made!.path));
  vectors.push({ from, to, delta, ...made!.plain });
  for (const version of [from, to]) rmSync(path.join(temporary, version), { recursive: true });
}
writeFileSync(path.join(folder, 'vectors.json'), `${JSON.stringify(vectors, null, 2)}\n`);
rmSync(temporary, { recursive: true });
