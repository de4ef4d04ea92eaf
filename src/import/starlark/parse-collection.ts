import { parseBinary, parseExpression, parseExpressions, refuseGenerator } from './parse-expression.ts';
import { parseTarget } from './parse-target.ts';
import { across } from './source.ts';
import type { Clause, Expression } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';
import type { Token } from './tokens.ts';

/** An expression in brackets, or a tuple. */
export function parseParentheses(stream: TokenStream): Expression {
  const start = stream.take();
  const around = (end: Token) => across(stream.span(start), stream.span(end));
  if (stream.is(')')) return { kind: 'tuple', items: [], span: around(stream.take()) };
  const inner = parseExpressions(stream);
  if (stream.is('for')) refuseGenerator(stream);
  return { ...inner, span: around(stream.expect(')', 'to close the bracket')) };
}

export function parseList(stream: TokenStream): Expression {
  const start = stream.take();
  const around = (end: Token) => across(stream.span(start), stream.span(end));
  if (stream.is(']')) return { kind: 'list', items: [], span: around(stream.take()) };
  const first = parseExpression(stream);
  if (stream.is('for')) {
    const clauses = parseClauses(stream);
    const end = stream.expect(']', 'after the comprehension');
    return { kind: 'list-comprehension', value: first, clauses, span: around(end) };
  }
  const items = [first];
  while (stream.passes(',')) {
    if (stream.is(']')) break;
    items.push(parseExpression(stream));
  }
  return { kind: 'list', items, span: around(stream.expect(']', 'or a comma after this item')) };
}

export function parseDict(stream: TokenStream): Expression {
  const start = stream.take();
  const around = (end: Token) => across(stream.span(start), stream.span(end));
  const entry = (): [Expression, Expression] => {
    const key = parseExpression(stream);
    if (!stream.is(':')) throw stream.unexpected(': is missing after the key', 'write KEY: VALUE; there are no sets');
    stream.take();
    return [key, parseExpression(stream)];
  };
  if (stream.is('}')) return { kind: 'dict', entries: [], span: around(stream.take()) };
  const first = entry();
  if (stream.is('for')) {
    const clauses = parseClauses(stream);
    const end = stream.expect('}', 'after the comprehension');
    return { kind: 'dict-comprehension', key: first[0], value: first[1], clauses, span: around(end) };
  }
  const entries = [first];
  while (stream.passes(',')) {
    if (stream.is('}')) break;
    entries.push(entry());
  }
  return { kind: 'dict', entries, span: around(stream.expect('}', 'or a comma after this entry')) };
}

function parseClauses(stream: TokenStream): Clause[] {
  const clauses: Clause[] = [];
  for (;;) {
    if (stream.passes('for')) {
      const target = parseTarget(stream);
      stream.expect('in', 'after the variable');
      clauses.push({ kind: 'for', target, over: parseBinary(stream, 0) });
    } else if (stream.passes('if')) {
      clauses.push({ kind: 'if', condition: parseBinary(stream, 0) });
    } else {
      return clauses;
    }
  }
}
