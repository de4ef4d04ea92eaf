import { parseExpressions } from './parse-expression.ts';
import { wrong, type SourceText } from './source.ts';
import { decode, stringAt, type StringLiteral } from './strings.ts';
import type { FormatPiece } from './syntax.ts';
import { TokenStream } from './token-stream.ts';
import { tokensOf } from './tokens.ts';

/** The texts and the expressions of f"…". `depth`: how deep the literal is nested. */
export function formatPieces(source: SourceText, literal: StringLiteral, depth: number): FormatPiece[] {
  const { text } = source;
  const { from, to, raw } = literal;
  const pieces: FormatPiece[] = [];
  let start = from;
  let at = from;
  const flush = () => {
    if (at > start) pieces.push(decode(source, start, at, raw));
  };
  while (at < to) {
    const char = text[at]!;
    if (char === '\\' && !raw) at += 2;
    else if ((char === '{' || char === '}') && text[at + 1] === char && at + 1 < to) {
      at += 1;
      flush();
      at += 1;
      start = at;
    } else if (char === '}') {
      throw wrong({ source, start: at, end: at + 1 }, 'nothing is open that this } could close', 'write }} for a }');
    } else if (char === '{') {
      flush();
      at = field(source, at, to, depth, pieces);
      start = at;
    } else at += 1;
  }
  flush();
  return pieces;
}

/** `{EXPRESSION!r:SPEC}`; returns the offset after it. */
function field(source: SourceText, open: number, to: number, depth: number, pieces: FormatPiece[]): number {
  const { text } = source;
  const end = endOfExpression(source, open + 1, to);
  const tokens = tokensOf(source, { from: open + 1, to: end });
  const stream = new TokenStream(source, tokens, depth + 1);
  if (stream.peek().kind === 'end') {
    throw wrong({ source, start: open, end: end + 1 }, 'there is nothing between { and }', 'write {{}} for {}');
  }
  const value = parseExpressions(stream);
  if (stream.peek().kind !== 'end') throw stream.unexpected(`${stream.peek().text} is too much here`);
  let at = end;
  let conversion: 's' | 'r' = 's';
  if (text[at] === '!') {
    const letter = text[at + 1];
    if (letter !== 's' && letter !== 'r') throw wrong({ source, start: at, end: at + 2 }, '!s and !r are known only');
    conversion = letter;
    at += 2;
  }
  let spec = '';
  if (text[at] === ':' && at < to) {
    const close = text.indexOf('}', at);
    spec = text.slice(at + 1, close < 0 ? to : Math.min(close, to));
    at += 1 + spec.length;
  }
  if (at >= to || text[at] !== '}') {
    throw wrong({ source, start: open, end: open + 1 }, 'this { is not closed', 'close it with }, or write {{ for a {');
  }
  pieces.push({ value, conversion, spec });
  return at + 1;
}

function endOfExpression(source: SourceText, from: number, to: number): number {
  const { text } = source;
  let depth = 0;
  let at = from;
  while (at < to) {
    const char = text[at]!;
    const literal = char === '"' || char === "'" ? stringAt(source, at) : undefined;
    if (literal && literal.end <= to) {
      at = literal.end;
      continue;
    }
    if ('([{'.includes(char)) depth += 1;
    else if (depth > 0 && ')]}'.includes(char)) depth -= 1;
    else if (depth === 0 && (char === '}' || char === ':' || (char === '!' && text[at + 1] !== '='))) return at;
    at += 1;
  }
  throw wrong({ source, start: from - 1, end: from }, 'this { is not closed', 'close it with }, or write {{ for a {');
}
