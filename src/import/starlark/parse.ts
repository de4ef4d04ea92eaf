import { parseExpressions, parseExpression } from './parse-expression.ts';
import { parseParameters } from './parse-parameters.ts';
import { parseTarget, targetOf } from './parse-target.ts';
import { wrong, type SourceText, type Span } from './source.ts';
import type { BinaryOperator, Statement } from './syntax.ts';
import { TokenStream } from './token-stream.ts';
import { tokensOf } from './tokens.ts';

/** What Python has, build files have not, and what to do without it. */
const refused: Record<string, string> = {
  while: 'write for with a range or a list',
  class: 'write functions, and dictionaries for what they share',
  import: 'write NAME = include("FILE")',
  from: 'write NAME = include("FILE")',
  with: 'leave it out: a build file opens no files',
  try: 'check with if before',
  raise: 'write fail("MESSAGE")',
  assert: 'write if not CONDITION: fail("MESSAGE")',
  global: 'return the value from the function',
  nonlocal: 'return the value from the function',
  del: 'write a new value without it',
  yield: 'return a list',
  async: 'leave it out',
  await: 'leave it out',
};

const updates: Record<string, BinaryOperator> = {
  '+=': '+',
  '-=': '-',
  '*=': '*',
  '//=': '//',
  '%=': '%',
  '&=': '&',
  '|=': '|',
  '^=': '^',
  '<<=': '<<',
  '>>=': '>>',
};

interface Around {
  inFunction: boolean;
  inLoop: boolean;
}

/** Reads a build file: Starlark, with f-strings. Throws a Failure with file, line and column on anything else. */
export function parseStarlark(source: SourceText): Statement[] {
  const stream = new TokenStream(source, tokensOf(source));
  const statements: Statement[] = [];
  while (stream.peek().kind !== 'end') statements.push(...parseStatement(stream, { inFunction: false, inLoop: false }));
  return statements;
}

function parseStatement(stream: TokenStream, around: Around): Statement[] {
  const { kind, text } = stream.peek();
  if (kind === 'indent') throw stream.unexpected('this line is indented, and no block begins above it', 'take it left');
  if (kind === 'keyword') {
    if (text === 'def') return [parseDef(stream)];
    if (text === 'if') return [parseIf(stream, around)];
    if (text === 'for') return [parseFor(stream, around)];
    if (text === 'elif' || text === 'else') {
      throw stream.unexpected(`there is no if that this ${text} belongs to`, 'indent it as the if');
    }
    if (Object.hasOwn(refused, text)) {
      throw stream.unexpected(`there is no ${text} in build files`, refused[text]);
    }
  }
  if (stream.is('@')) throw stream.unexpected('there are no decorators in build files', 'call the function instead');
  return parseSimple(stream, around);
}

function parseSimple(stream: TokenStream, around: Around): Statement[] {
  const statements = [parseSmall(stream, around)];
  while (stream.passes(';')) {
    if (stream.peek().kind === 'newline') break;
    statements.push(parseSmall(stream, around));
  }
  if (stream.peek().kind === 'newline') stream.take();
  else if (stream.peek().kind !== 'end') {
    throw stream.unexpected(`${JSON.stringify(stream.peek().text)} is not expected here`, 'begin a new line before it');
  }
  return statements;
}

function parseSmall(stream: TokenStream, { inFunction, inLoop }: Around): Statement {
  const start = stream.peek();
  const here = stream.span(start);
  if (start.kind === 'keyword') {
    switch (start.text) {
      case 'pass':
        stream.take();
        return { kind: 'pass', span: here };
      case 'break':
      case 'continue':
        if (!inLoop) throw wrong(here, `${start.text} stands in no loop`, 'take it out');
        stream.take();
        return { kind: start.text, span: here };
      case 'return': {
        if (!inFunction) throw wrong(here, 'return stands in no function', 'take it out');
        stream.take();
        const ends = stream.peek().kind === 'newline' || stream.peek().kind === 'end' || stream.is(';');
        return { kind: 'return', value: ends ? undefined : parseExpressions(stream), span: here };
      }
    }
  }
  const left = parseExpressions(stream);
  if (stream.passes('=')) {
    const target = targetOf(left);
    const value = parseExpressions(stream);
    if (stream.is('=')) throw stream.unexpected('one = is enough', 'assign in two lines');
    return { kind: 'assign', target, value, span: spanned(left.span, value.span) };
  }
  if (stream.is(':')) throw stream.unexpected('there are no types in build files', 'leave it out');
  const operator = stream.peek().kind === 'operator' ? updates[stream.peek().text] : undefined;
  if (operator !== undefined) {
    stream.take();
    const target = targetOf(left);
    if (target.kind === 'items')
      throw wrong(left.span, 'several names cannot be changed at once', 'write a line for each');
    const value = parseExpressions(stream);
    return { kind: 'update', target, operator, value, span: spanned(left.span, value.span) };
  }
  return { kind: 'expression', value: left, span: left.span };
}

function parseDef(stream: TokenStream): Statement {
  const start = stream.take();
  const name = stream.expectName('the name of the function');
  stream.expect('(', 'after the name of the function');
  const parameters = parseParameters(stream, ')');
  const end = stream.expect(')', 'after the parameters');
  if (stream.is('->')) throw stream.unexpected('there are no types in build files', 'leave it out');
  const body = parseBlock(stream, { inFunction: true, inLoop: false }, 'def');
  const span = spanned(stream.span(start), stream.span(end));
  return { kind: 'def', definition: { name: name.text, parameters, body }, span };
}

function parseIf(stream: TokenStream, around: Around): Statement {
  const span = stream.span(stream.take());
  const branches = [{ condition: parseExpression(stream), body: parseBlock(stream, around, 'if') }];
  let otherwise: Statement[] = [];
  for (;;) {
    if (stream.passes('elif')) {
      branches.push({ condition: parseExpression(stream), body: parseBlock(stream, around, 'elif') });
    } else {
      if (stream.passes('else')) otherwise = parseBlock(stream, around, 'else');
      return { kind: 'if', branches, otherwise, span };
    }
  }
}

function parseFor(stream: TokenStream, around: Around): Statement {
  const span = stream.span(stream.take());
  const target = parseTarget(stream);
  stream.expect('in', 'after the variable of the loop');
  const over = parseExpressions(stream);
  const body = parseBlock(stream, { ...around, inLoop: true }, 'for');
  if (stream.is('else')) throw stream.unexpected('a loop has no else in build files', 'write it after the loop');
  return { kind: 'for', target, over, body, span };
}

function parseBlock(stream: TokenStream, around: Around, of: string): Statement[] {
  return stream.nested(() => {
    stream.expect(':', `after ${of}`);
    if (stream.peek().kind !== 'newline') return parseSimple(stream, around);
    stream.take();
    if (stream.peek().kind !== 'indent') throw stream.unexpected(`the block of ${of} is missing`, 'indent its lines');
    stream.take();
    const statements: Statement[] = [];
    while (stream.peek().kind !== 'dedent' && stream.peek().kind !== 'end') {
      statements.push(...parseStatement(stream, around));
    }
    if (stream.peek().kind === 'dedent') stream.take();
    return statements;
  });
}

function spanned(first: Span, last: Span): Span {
  return { source: first.source, start: first.start, end: last.end };
}
