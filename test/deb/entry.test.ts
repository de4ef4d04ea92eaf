import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { inOrder, textFile, withParents } from '../../src/deb/entry.ts';

test('paths are in the order of a walk in byte order, whatever characters they have', () => {
  const characters = ['a', 'b', '-', '.', '/', ' ', 'ä', 'Ω', '中', '\ue000', '\uffee', '😀', '𐀀'];
  const name = () => Array.from({ length: randomInt(1, 9) }, () => characters[randomInt(characters.length)]).join('');
  const paths = [...new Set(Array.from({ length: 3000 }, name))];
  // A folder's name ends before all that is longer.
  const bytes = (path: string) => Buffer.from(path.replaceAll('/', '\0'));
  const expected = paths.toSorted((a, b) => Buffer.compare(bytes(a), bytes(b)));
  expect(inOrder(paths.map((path) => ({ path }))).map(({ path }) => path)).toEqual(expected);
});

test('every parent is an entry, once, directly before what it holds', () => {
  const paths = ['opt/a/b/c', 'opt/a/b/d', 'opt/a-b/e', 'opt/a/f', 'usr/x'];
  const found = withParents(paths.map((path) => textFile(path, 'x')));
  expect(found.map(({ type, path }) => (type === 'directory' ? `${path}/` : path))).toEqual([
    'opt/',
    'opt/a/',
    'opt/a/b/',
    'opt/a/b/c',
    'opt/a/b/d',
    'opt/a/f',
    'opt/a-b/',
    'opt/a-b/e',
    'usr/',
    'usr/x',
  ]);
});
