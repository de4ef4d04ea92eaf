import { didYouMean } from '../config/did-you-mean.ts';
import { wrong, type LogicalLine } from './lines.ts';

const keywords = [
  'bool',
  'choice',
  'comment',
  'config',
  'def_bool',
  'def_hex',
  'def_int',
  'def_string',
  'def_tristate',
  'default',
  'depends',
  'endchoice',
  'endif',
  'endmenu',
  'help',
  'hex',
  'if',
  'imply',
  'int',
  'mainmenu',
  'menu',
  'menuconfig',
  'on',
  'option',
  'optional',
  'orsource',
  'osource',
  'prompt',
  'range',
  'rsource',
  'select',
  'source',
  'string',
  'tristate',
  'visible',
] as const;
export type Keyword = (typeof keywords)[number];

/** Other spellings that Kconfig files have. */
const synonyms: Record<string, Keyword> = {
  '---help---': 'help',
  boolean: 'bool',
  gsource: 'osource',
  grsource: 'orsource',
};

export type Operator = '&&' | '||' | '!' | '=' | '!=' | '<' | '<=' | '>' | '>=' | '(' | ')';

/** `word`: a name or number without quotes; `text`: between quotes, which are taken away, as are escapes. */
export type Token = { start: number; end: number } & (
  | { kind: 'keyword'; name: Keyword }
  | { kind: 'word' | 'text'; text: string }
  | { kind: 'operator'; operator: Operator }
);

export interface TokenLine {
  line: LogicalLine;
  /** The first is a keyword. */
  tokens: Token[];
}

const keywordSet = new Set<string>(keywords);
const first = /^[ \t\f\v]*([A-Za-z0-9_$-]+)[ \t\f\v]*/;
const word = /[A-Za-z0-9_$/.-]+/y;
const blank = /\s*/y;
const operators: readonly Operator[] = ['&&', '||', '!=', '<=', '>=', '=', '!', '<', '>', '(', ')'];

/** Undefined for a blank line and for a comment. Throws a Failure at what is no Kconfig. */
export function tokenise(line: LogicalLine): TokenLine | undefined {
  const { text } = line;
  const trimmed = text.trimStart();
  if (trimmed === '' || trimmed.startsWith('#')) return undefined;
  const begun = first.exec(text);
  if (!begun) throw wrong(line.at(text.length - trimmed.length), 'no statement begins so', startFix);
  const start = begun[0].indexOf(begun[1]!);
  const name = keywordOf(begun[1]!) ?? (/^\s*-*help-*\s*$/.test(text) ? 'help' : undefined);
  if (name === undefined) throw noStatement(line, start, begun[1]!);
  const tokens: Token[] = [{ kind: 'keyword', name, start, end: start + begun[1]!.length }];
  for (let offset = begun[0].length; offset < text.length; offset = pass(blank, text, offset)) {
    const token = nextToken(line, offset);
    if (token === undefined) break;
    tokens.push(token);
    offset = token.end;
  }
  return { line, tokens };
}

const startFix = `write a statement: ${['config', 'menu', 'choice', 'if', 'source', 'comment'].join(', ')}`;

function keywordOf(text: string): Keyword | undefined {
  if (keywordSet.has(text)) return text as Keyword;
  return Object.hasOwn(synonyms, text) ? synonyms[text] : undefined;
}

function pass(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from;
  pattern.test(text);
  return Math.max(from, pattern.lastIndex);
}

function noStatement(line: LogicalLine, start: number, written: string) {
  const where = line.at(start, written.length);
  if (written.includes('$') || /^\s*[A-Za-z0-9_-]+\s*(:=|\+=|=)/.test(line.text)) {
    return wrong(where, 'macros and variables of Kconfig are not read', 'write the value itself');
  }
  const near = didYouMean(written, keywords);
  return wrong(
    where,
    `${JSON.stringify(written)} is no statement of Kconfig`,
    near === undefined ? startFix : `did you mean ${near}?`,
  );
}

/** Undefined where a comment begins. */
function nextToken(line: LogicalLine, start: number): Token | undefined {
  const { text } = line;
  const end = pass(word, text, start);
  if (end > start) {
    const found = text.slice(start, end);
    refuseVariables(line, start, end, found);
    const name = keywordOf(found);
    return name === undefined ? { kind: 'word', text: found, start, end } : { kind: 'keyword', name, start, end };
  }
  const character = text[start]!;
  if (character === '#') return undefined;
  if (character === '"' || character === "'") return quoted(line, start);
  const operator = operators.find((each) => text.startsWith(each, start));
  if (operator !== undefined) return { kind: 'operator', operator, start, end: start + operator.length };
  const fixes: Record<string, string> = { '&': 'write && for "and"', '|': 'write || for "or"' };
  throw wrong(
    line.at(start),
    `${JSON.stringify(String.fromCodePoint(text.codePointAt(start)!))} means nothing here`,
    fixes[character] ?? 'remove it, or put the text into quotes',
  );
}

function quoted(line: LogicalLine, start: number): Token {
  const { text } = line;
  const quote = text[start]!;
  let value = '';
  for (let offset = start + 1; offset < text.length; offset += 1) {
    const character = text[offset]!;
    if (character === quote) {
      refuseVariables(line, start, offset + 1, value);
      return { kind: 'text', text: value, start, end: offset + 1 };
    }
    if (character === '\\' && offset + 1 < text.length) offset += 1;
    value += text[offset]!;
  }
  throw wrong(line.at(start, text.length - start), 'this text does not end', `write ${quote} at its end`);
}

/** Values that come from the environment or from programs: what is built would depend on the machine. */
function refuseVariables(line: LogicalLine, start: number, end: number, value: string): void {
  if (!/\$[({A-Za-z_]/.test(value)) return;
  throw wrong(
    line.at(start, end - start),
    'variables and macros are not read: no value comes from the environment',
    'write the value itself, or make it an option of its own',
  );
}
