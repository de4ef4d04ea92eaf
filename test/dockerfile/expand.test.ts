import { expect, test, describe } from 'vitest';
import { expand, ExpandError } from '../../src/dockerfile/expand.ts';

const env: Record<string, string> = {
  x: 'value',
  empty: '',
  path: '/usr/local/lib/libfoo.so.1.2',
  word: 'banana',
  star: 'a*b',
  _u1: 'under',
};
const get = (name: string) => env[name];
const one = (word: string, escape = '\\') => expand(word, get, { escape }).text;

/** By the rules of https://docs.docker.com/reference/dockerfile/#environment-replacement. */
const table: [string, string][] = [
  ['plain', 'plain'],
  ['$x', 'value'],
  ['${x}', 'value'],
  ['a$x.b', 'avalue.b'],
  ['${x}y', 'valuey'],
  ['$xy', ''],
  ['$_u1', 'under'],
  ['$', '$'],
  ['a$.b', 'a$.b'],
  ['$1a', 'a'],
  ['$12', ''],
  ['$@b', 'b'],
  ['$missing', ''],
  ['${missing}', ''],
  ['\\$x', '$x'],
  ['\\${x}', '${x}'],
  ['\\\\$x', '\\value'],
  ['a\\b', 'ab'],
  ['end\\', 'end'],
  ['"$x"', 'value'],
  ["'$x'", '$x'],
  ['"\'$x\'"', "'value'"],
  ['\'"$x"\'', '"$x"'],
  ['"a\\nb"', 'a\\nb'],
  ['"a\\$x"', 'a$x'],
  ['"a\\"b"', 'a"b'],
  ["'a\\'b", 'a\\b'],
  ['a"b c"d', 'ab cd'],
  ['${x:-w}', 'value'],
  ['${missing:-w}', 'w'],
  ['${empty:-w}', 'w'],
  ['${empty-w}', ''],
  ['${missing-w}', 'w'],
  ['${missing:-$x}', 'value'],
  ['${missing:-${empty:-$word}}', 'banana'],
  ['${missing:-}', ''],
  ['${missing:-a b}', 'a b'],
  ['${missing:-\\}}', '}'],
  ['${x:+w}', 'w'],
  ['${missing:+w}', ''],
  ['${empty:+w}', ''],
  ['${empty+w}', 'w'],
  ['${missing+w}', ''],
  ['${x:+$word}', 'banana'],
  ['${x?no}', 'value'],
  ['${x:?no}', 'value'],
  ['${empty?no}', ''],
  ['${path#*/}', 'usr/local/lib/libfoo.so.1.2'],
  ['${path##*/}', 'libfoo.so.1.2'],
  ['${path%.*}', '/usr/local/lib/libfoo.so.1'],
  ['${path%%.*}', '/usr/local/lib/libfoo'],
  ['${path%/*}', '/usr/local/lib'],
  ['${word#b?n}', 'ana'],
  ['${word#x}', 'banana'],
  ['${word%na}', 'bana'],
  ['${word%%a*}', 'b'],
  ['${word%a*}', 'banan'],
  ['${star#a\\*}', 'b'],
  ['${star%\\*b}', 'a'],
  ['${missing#a}', ''],
  ['${word/an/AN}', 'bANana'],
  ['${word//an/AN}', 'bANANa'],
  ['${word/a*a/X}', 'bX'],
  ['${word/x/y}', 'banana'],
  ['${word//a/}', 'bnn'],
  ['${word/an/$x}', 'bvalueana'],
  ['${path//\\//_}', '_usr_local_lib_libfoo.so.1.2'],
  ['${missing/a/b}', ''],
  ['a<b', 'a<b'],
  ['a<<b', 'a<<b'],
  ['안녕$x하', '안녕'],
  ['안녕${x}하', '안녕value하'],
  ['😀$x', '😀value'],
];

describe('words expand by the documented rules', () => {
  test.each(table)('%s → %s', (word, text) => expect(one(word)).toBe(text));
});

describe('what BuildKit refuses is refused', () => {
  test.each([
    '${',
    '${x',
    '${}',
    '${:-a}',
    '${{x}',
    '${x:-a',
    '${x:=a}',
    '${x!a}',
    '${x:#a}',
    '${x:x}',
    '${missing?}',
    '${missing:?not set}',
    '${empty:?}',
    '${word/a}',
    '${word/a/b',
    '${word#\\a}',
    "'open",
    '"open',
    "it's",
    '"a\\"',
  ])('%s', (word) => expect(() => one(word)).toThrow(ExpandError));

  test('the message of ${x:?message} is kept', () => {
    expect(() => one('${missing:?set it}')).toThrow('missing: set it');
  });
});

test('another escape character leaves the backslash alone', () => {
  expect(one('C:\\dir\\$x', '`')).toBe('C:\\dir\\value');
  expect(one('`$x', '`')).toBe('$x');
});

test('words are split at white space outside of quotes, also within values', () => {
  const split = (word: string) => expand(word, (name) => (name === 'two' ? 'a b' : undefined), { escape: '\\' }).words;
  expect(split('one "two three" $two')).toEqual(['one', 'two three', 'a', 'b']);
  expect(split('"$two"')).toEqual(['a b']);
  expect(split('a\\ b  c')).toEqual(['a b', 'c']);
});

test('names that were looked up are told', () => {
  expect(expand('$x ${missing:-$word} \\$no', get, { escape: '\\' }).names).toEqual(new Set(['x', 'missing', 'word']));
});

test('a pattern with many stars takes no exponential time', () => {
  const value = 'a'.repeat(3000);
  const started = performance.now();
  expand(`\${x##${'*a'.repeat(40)}b}`, () => value, { escape: '\\' });
  expect(performance.now() - started).toBeLessThan(5000);
});

test('braces that are nested without end are refused', () => {
  expect(() => one('${y:-'.repeat(100_000))).toThrow(ExpandError);
});
