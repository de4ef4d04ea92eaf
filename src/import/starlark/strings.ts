import { wrong, type SourceText } from './source.ts';

/** A string literal as it stands in the source. */
export interface StringLiteral {
  /** Offsets of the whole, and of what stands between the quotes. */
  start: number;
  end: number;
  from: number;
  to: number;
  raw: boolean;
  format: boolean;
}

const prefix = /^(?:[rR]?[fF]|[fF]?[rR]|[bB][rR]?|[rR][bB]|[uU])?(?=["'])/;

/** The literal that begins at an offset; undefined where none does. Throws a Failure when it has no end. */
export function stringAt(source: SourceText, start: number): StringLiteral | undefined {
  const { text } = source;
  const letters = prefix.exec(text.slice(start, start + 3))?.[0];
  if (letters === undefined) return undefined;
  const flags = letters.toLowerCase();
  const open = start + letters.length;
  if (flags.includes('b')) {
    throw wrong({ source, start, end: open + 1 }, 'there are no byte strings in build files', 'leave the b out');
  }
  const quote = text[open]!;
  const triple = text.startsWith(quote.repeat(3), open);
  const mark = triple ? quote.repeat(3) : quote;
  const from = open + mark.length;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '\\') at += 1;
    else if (char === '\n' && !triple) break;
    else if (char === quote && text.startsWith(mark, at)) {
      const end = at + mark.length;
      return { start, end, from, to: at, raw: flags.includes('r'), format: flags.includes('f') };
    }
  }
  throw wrong({ source, start, end: from }, `this string has no end: ${mark} is missing`, `close it with ${mark}`);
}

const simple: Record<string, string> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '\n': '',
};

/** The text that a part of a literal stands for. Throws a Failure on an escape that there isn't. */
export function decode(source: SourceText, from: number, to: number, raw: boolean): string {
  const text = source.text.slice(from, to).replaceAll('\r\n', '\n');
  if (raw || !text.includes('\\')) return text;
  let at = 0;
  let result = '';
  while (at < text.length) {
    const next = text.indexOf('\\', at);
    if (next < 0) break;
    result += text.slice(at, next);
    const rest = text.slice(next + 1, next + 10);
    const code = /^(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3}))/.exec(rest);
    if (code) {
      const value = code[4] === undefined ? parseInt((code[1] ?? code[2] ?? code[3])!, 16) : parseInt(code[4], 8);
      if (value > 0x10_ffff || (value >= 0xd800 && value < 0xe000)) throw badEscape(source, from, `\\${code[0]}`);
      result += String.fromCodePoint(value);
      at = next + 1 + code[0].length;
      continue;
    }
    const char = simple[rest[0] ?? ''];
    if (char === undefined) throw badEscape(source, from, `\\${rest[0] ?? ''}`);
    result += char;
    at = next + 2;
  }
  return result + text.slice(at);
}

function badEscape(source: SourceText, from: number, escape: string) {
  const start = Math.max(from, source.text.indexOf(escape, from));
  const because = `there is no escape ${escape}`;
  return wrong({ source, start, end: start + escape.length }, because, `write \\${escape} for a backslash`);
}
