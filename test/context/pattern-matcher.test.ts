import { describe, expect, test } from 'vitest';
import { compilePattern, hasWildcard, cleanPath } from '../../src/context/go-path.ts';
import { parseIgnoreFile } from '../../src/context/ignore-file.ts';
import { PatternMatcher } from '../../src/context/pattern-matcher.ts';

/** Whether a path is excluded, its folders matched first as a walk does. */
function excluded(patterns: string[], path: string): boolean {
  const matcher = new PatternMatcher(patterns);
  const parts = path.split('/');
  let parent = matcher.newState();
  let result = false;
  for (let depth = 1; depth <= parts.length; depth++) {
    const state = matcher.newState();
    result = matcher.matches(parts.slice(0, depth).join('/'), parent, state);
    parent = state;
  }
  return result;
}

// Rows of moby/patternmatcher's own behaviour, path by path.
const table: [patterns: string[], path: string, excluded: boolean][] = [
  [['**'], 'file', true],
  [['**'], 'dir/file', true],
  [['**/'], 'file', true],
  [['**/**'], 'dir/file', true],
  [['dir/**'], 'dir/file', true],
  [['dir/**'], 'dir', false],
  [['dir/**'], 'dir2/file', false],
  [['**/dir'], 'dir/file', true],
  [['**/dir'], 'a/dir', true],
  [['**/dir2/*'], 'dir/dir2/file', true],
  [['**/dir2/**'], 'dir/dir2/dir2/file', true],
  [['**file'], 'dir/file', true],
  [['**/file'], 'file', true],
  [['**/file'], 'myfile', false],
  [['**file'], 'myfile', true],
  [['**/*.txt'], 'a/b.txt', true],
  [['**/**/*.txt'], 'dir/dir/file.txt', true],
  [['**/**/*.txt2'], 'dir/dir/file.txt', false],
  [['a**b'], 'a/x/b', true],
  [['a/**/b'], 'a/b', true],
  [['*.md'], 'dir/x.md', false],
  [['*'], 'dir/x.md', true],
  [['a?c'], 'abc', true],
  [['a?c'], 'a/c', false],
  [['a.c'], 'abc', false],
  [['a[b-d]e'], 'ace', true],
  [['a[^b-d]e'], 'ace', false],
  [['a[^b-d]e'], 'aze', true],
  [['a\\*b'], 'a*b', true],
  [['a\\*b'], 'axb', false],
  [['[a.]x'], '.x', true],
  [['dir', '!dir/keep'], 'dir/keep', false],
  [['dir', '!dir/keep'], 'dir/other', true],
  [['*', '!a', 'a/b'], 'a/b', true],
  [['*', '!a', 'a/b'], 'a/c', false],
  [['!a', 'a'], 'a', true],
  // An exception is not looked at before something has matched: what it would say of the folder is not kept.
  [['**/a', '!*'], 'c/a', true],
  [['**/a', '!c'], 'c/a', true],
  [['docs', '!docs/**/*.md'], 'docs/x/y.md', false],
  [['./dir/../x/'], 'x', true],
  [['$x(1)+{2}|^'], '$x(1)+{2}|^', true],
];

test.each(table)('%j and %s: %s', (patterns, path, result) => {
  expect(excluded(patterns, path)).toBe(result);
});

test.each([['['], ['a[b'], ['[]a]'], ['a\\'], ['[a-'], ['!']])('%s is malformed', (pattern) => {
  expect(() => new PatternMatcher([pattern])).toThrow();
});

test('an excluded folder is looked into only when an exception can lie below it', () => {
  expect(new PatternMatcher(['dir']).excludesAllBelow('dir')).toBe(true);
  expect(new PatternMatcher(['dir', '!dir/a']).excludesAllBelow('dir')).toBe(false);
  expect(new PatternMatcher(['dir', '!other/a']).excludesAllBelow('dir')).toBe(true);
  expect(new PatternMatcher(['dir', '!**/a']).excludesAllBelow('dir')).toBe(false);
});

describe('a COPY source as Go matches it', () => {
  test.each([
    ['*.txt', 'a.txt', true],
    ['*.txt', '.txt', true],
    ['*.txt', 'd/a.txt', false],
    ['[a-c].py', 'b.py', true],
    ['[^a-c].py', 'b.py', false],
    ['[!a].py', '!.py', true],
    ['arr[[]0].txt', 'arr[0].txt', true],
    ['a\\?b', 'a?b', true],
    ['a\\?b', 'axb', false],
    ['?', '😀', true],
    ['[☺-☻]', '☺', true],
    ['[z-a]', 'b', false],
    ['x[^a]y', 'x/y', true],
    ['a*/b', 'ax/b', true],
    ['**', 'a', true],
    ['**', 'a/b', false],
  ])('%s and %s: %s', (pattern, name, result) => {
    expect(compilePattern(pattern).test(name)).toBe(result);
  });

  test('an escaped wildcard is none', () => {
    expect(['a*', 'a?', 'a[', 'a\\*', 'a\\\\*'].map(hasWildcard)).toEqual([true, true, true, false, true]);
  });
});

test.each([
  ['a/', 'a'],
  ['./a//b/../c', 'a/c'],
  ['', '.'],
  ['/../a', '/a'],
  ['../a/..', '..'],
  ['/', '/'],
])('%s is cleaned to %s', (path, clean) => {
  expect(cleanPath(path)).toBe(clean);
});

test('an ignore file: BOM, comments, white space, exceptions, slashes', () => {
  const text = '\uFEFFfirst\r\n# comment\n #not a comment\n\n  /rooted/ \n! /kept/./x/\n//twice\n/\n..\\..\n!\n';
  expect(parseIgnoreFile(text)).toEqual([
    { line: 1, pattern: 'first' },
    { line: 3, pattern: '#not a comment' },
    { line: 5, pattern: 'rooted' },
    { line: 6, pattern: '!kept/x' },
    { line: 7, pattern: 'twice' },
    { line: 8, pattern: '/' },
    { line: 9, pattern: '..\\..' },
    { line: 10, pattern: '!' },
  ]);
});
