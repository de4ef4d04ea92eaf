import { wrong, type SourceText } from './source.ts';
import { stringAt, type StringLiteral } from './strings.ts';

/** `text` is as written; of `indent`, `dedent` and `newline` it is empty. Offsets are those of the source. */
export interface Token {
  kind: 'name' | 'keyword' | 'int' | 'string' | 'operator' | 'newline' | 'indent' | 'dedent' | 'end';
  text: string;
  start: number;
  end: number;
  literal?: StringLiteral;
}

/** Those that mean something here, and those of Python that may not be names. */
const keywords = new Set(
  (
    'and break continue def elif else for if in lambda not or pass return True False None ' +
    'as assert async await class del except finally from global import is nonlocal raise try while with yield'
  ).split(' '),
);

const operators = /^(?:\*\*=?|\/\/=?|<<=?|>>=?|[-+*%/&|^]=|[=!<>]=|->|:=|[-+*/%&|^~<>=.,:;()[\]{}@])/;
const mostTokens = 500_000;

/** The tokens of a source, or with `part` of an expression in it, where line ends mean nothing. */
export function tokensOf(source: SourceText, part?: { from: number; to: number }): Token[] {
  const { text } = source;
  const end = part?.to ?? text.length;
  const tokens: Token[] = [];
  const indents = [''];
  const open: Token[] = [];
  let at = part?.from ?? (text.startsWith('\uFEFF') ? 1 : 0);
  const inside = () => part !== undefined || open.length > 0;
  const push = (kind: Token['kind'], length: number, literal?: StringLiteral) => {
    if (tokens.length >= mostTokens)
      throw wrong({ source, start: at, end: at + 1 }, 'this file is too large to be read');
    const token: Token = { kind, text: text.slice(at, at + length), start: at, end: at + length };
    if (literal) token.literal = literal;
    tokens.push(token);
    at += length;
    return token;
  };

  /** At the beginning of a line: how far it is indented. Lines with nothing but a comment don't count. */
  const indentation = () => {
    while (at < end) {
      const [whole, space] = /^([ \t\f]*)(?:#[^\n]*)?(?:\r?\n|\r?$)?/.exec(text.slice(at, lineEnd(at)))!;
      const blank = whole.length > space!.length || at + whole.length >= end;
      if (!blank) {
        indentTo(space!);
        at += space!.length;
        return;
      }
      at += whole.length;
    }
  };
  const lineEnd = (from: number) => {
    const found = text.indexOf('\n', from);
    return found < 0 ? end : Math.min(end, found + 1);
  };
  const indentTo = (space: string) => {
    const span = { source, start: at, end: at + Math.max(1, space.length) };
    const top = indents.at(-1)!;
    if (space === top) return;
    if (space.startsWith(top)) {
      indents.push(space);
      tokens.push({ kind: 'indent', text: '', start: at, end: at + space.length });
      return;
    }
    while (indents.at(-1) !== space) {
      const last = indents.pop()!;
      if (!last.startsWith(space) || indents.length === 0) {
        throw wrong(span, 'this line is indented as no block above it is', 'indent it as the line that it belongs to');
      }
      tokens.push({ kind: 'dedent', text: '', start: at + space.length, end: at + space.length + 1 });
    }
  };

  if (part === undefined) indentation();
  while (at < end) {
    const char = text[at]!;
    if (char === ' ' || char === '\t' || char === '\f' || (char === '\r' && text[at + 1] === '\n')) {
      at += 1;
    } else if (char === '\n') {
      if (inside()) {
        at += 1;
      } else {
        push('newline', 1).text = '';
        indentation();
      }
    } else if (char === '#') {
      const found = text.indexOf('\n', at);
      at = found < 0 ? end : Math.min(end, found);
    } else if (char === '\\' && /^\\\r?\n/.test(text.slice(at, at + 3))) {
      at += text[at + 1] === '\r' ? 3 : 2;
    } else {
      scan(char);
    }
  }
  const left = open.at(-1);
  if (left) {
    throw wrong({ source, ...left }, `this ${left.text} is not closed`, `close it with ${closing[left.text]}`);
  }
  at = end;
  if (part === undefined) {
    if (tokens.length > 0 && !['newline', 'dedent'].includes(tokens.at(-1)!.kind)) push('newline', 0);
    for (let level = indents.length; level > 1; level--) push('dedent', 0);
  }
  push('end', 0);
  return tokens;

  function scan(char: string): void {
    const literal = stringAt(source, at);
    if (literal) {
      push('string', literal.end - literal.start, literal);
      return;
    }
    const rest = text.slice(at, Math.min(end, at + 256));
    const word = /^[\p{L}_][\p{L}\p{N}_]*/u.exec(rest)?.[0];
    if (word !== undefined) {
      push(keywords.has(word) ? 'keyword' : 'name', word.length);
      return;
    }
    const number = /^(?:0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|\d+)/.exec(rest)?.[0];
    if (number !== undefined) {
      const after = rest.slice(number.length);
      const span = { source, start: at, end: at + number.length };
      if (/^\.|^[eE][-+\d]/.test(after)) {
        throw wrong(span, 'there are no fractions in build files', 'write a whole number, or a version in quotes');
      }
      if (/^[\p{L}\p{N}_]/u.test(after) || /^0\d/.test(number)) throw wrong(span, 'this is not a number');
      push('int', number.length);
      return;
    }
    const operator = operators.exec(rest)?.[0];
    if (operator === undefined) {
      const shown = String.fromCodePoint(text.codePointAt(at)!);
      throw wrong({ source, start: at, end: at + 1 }, `${JSON.stringify(shown)} means nothing here`);
    }
    const token = push('operator', operator.length);
    if ('([{'.includes(char)) open.push(token);
    else if (')]}'.includes(char)) {
      const opened = open.pop();
      if (opened === undefined) throw wrong({ source, ...token }, `nothing is open that this ${char} could close`);
      if (closing[opened.text] !== char) {
        throw wrong(
          { source, ...token },
          `${opened.text} is open here, not what ${char} closes`,
          `write ${closing[opened.text]}`,
        );
      }
    }
  }
}

const closing: Record<string, string> = { '(': ')', '[': ']', '{': '}' };
