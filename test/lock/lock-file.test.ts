import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { familiar, formatLock, parseLock, readLock, writeLock } from '../../src/lock/lock-file.ts';
import { emptyLock, type Lock } from '../../src/lock/lock.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imgbuild-lock-'));
});
afterEach(() => rm(root, { recursive: true }));

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const;

const golden = `{"base":"debian:12","from":"oci:./bases/debian","index":null,"platforms":{"linux/amd64":{"manifest":"${digest('a')}","env":["PATH=/bin"],"workdir":"/srv","onbuild":["RUN x"]}}}
{"base":"ghcr.io/acme/tool:1","from":"registry","index":"${digest('b')}","platforms":{"linux/amd64":{"manifest":"${digest('c')}","env":[],"onbuild":[]},"linux/arm64":{"manifest":"${digest('d')}","env":[],"onbuild":[]}}}
{"base":"mine:1","from":"daemon","index":null,"platforms":{"linux/amd64":{"config":"${digest('e')}","env":[],"onbuild":[]}}}
{"epoch":"service","value":"2026-11"}
{"syntax":"docker/dockerfile:1","digest":"${digest('f')}"}
`;

test('the form of the file is kept byte for byte', () => {
  const lock = parseLock(golden);
  expect([...lock.bases.keys()]).toEqual([
    'docker.io/library/debian:12',
    'ghcr.io/acme/tool:1',
    'docker.io/library/mine:1',
  ]);
  expect(lock.bases.get('docker.io/library/mine:1')!.platforms.get('linux/amd64')!.identity).toEqual({
    kind: 'config',
    digest: digest('e'),
  });
  expect(formatLock(lock)).toBe(golden);
});

test('the same content gives the same bytes in whatever order it came', () => {
  const lines = golden.trimEnd().split('\n');
  fc.assert(
    fc.property(fc.shuffledSubarray(lines, { minLength: lines.length }), (shuffled) => {
      expect(formatLock(parseLock(shuffled.join('\r\n')))).toBe(golden);
    }),
  );
});

test.each([
  ['docker.io/library/debian:12', 'debian:12'],
  ['docker.io/acme/tool:1', 'acme/tool:1'],
  ['ghcr.io/acme/tool:1', 'ghcr.io/acme/tool:1'],
  ['docker.io/a.b/tool:1', 'docker.io/a.b/tool:1'],
])('%s is shown as %s', (reference, shown) => expect(familiar(reference)).toBe(shown));

test.each([
  ['not JSON', 'debian:12', 'the line is not JSON'],
  ['nothing known', '{"x":1}', 'the line is about no base, no syntax and no epoch'],
  ['a list', '[]', 'the line is about no base, no syntax and no epoch'],
  ['a wrong digest', '{"syntax":"a","digest":"sha256:12"}', 'digest: a sha256 digest is needed'],
  ['an unknown key', '{"epoch":"a","value":"b","x":1}', 'Unrecognized key: "x"'],
  [
    'no identity',
    '{"base":"a","from":"registry","index":null,"platforms":{"linux/amd64":{}}}',
    'platforms.linux/amd64: either manifest or config is needed',
  ],
  ['an epoch of no form', '{"epoch":"a","value":"20ZZ"}', 'the epoch 20ZZ is no day, week or month'],
  ['an epoch of no month', '{"epoch":"a","value":"2026-13"}', 'the epoch 2026-13 is no day, week or month'],
  ['a second line', golden.split('\n')[3]!, 'a second line for the epoch of service'],
  ['a conflict', '<<<<<<< HEAD', 'a merge left its marks here'],
])('%s is an error with its line', (_, line, because) => {
  let thrown: unknown;
  try {
    parseLock(golden + line);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(Failure);
  expect(thrown).toMatchObject({ because, kind: 'input', at: { file: 'imgbuild.lock', line: 6, text: line } });
});

test('a lock that is not there is empty', async () => expect(await readLock(root)).toEqual(emptyLock()));

test('the file is replaced whole, and only when it changes', async () => {
  const lock: Lock = parseLock(golden);
  expect(await writeLock(root, lock)).toBe(true);
  expect(await readFile(join(root, 'imgbuild.lock'), 'utf8')).toBe(golden);
  const before = await stat(join(root, 'imgbuild.lock'));
  expect(await writeLock(root, lock)).toBe(false);
  expect((await stat(join(root, 'imgbuild.lock'))).ino).toBe(before.ino);
  expect(await readLock(root)).toEqual(lock);
  expect(await readdir(root)).toEqual(['imgbuild.lock']);
});

test('nothing needed leaves no file behind where there was none', async () => {
  expect(await writeLock(root, emptyLock())).toBe(false);
  expect(await readdir(root)).toEqual([]);
  await writeFile(join(root, 'imgbuild.lock'), golden);
  expect(await writeLock(root, emptyLock())).toBe(true);
  expect(await readFile(join(root, 'imgbuild.lock'), 'utf8')).toBe('');
});
