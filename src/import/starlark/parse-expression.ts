import { formatPieces } from './format-string.ts';
import { wrong, type Span } from './source.ts';
import { decode } from './strings.ts';
import type { BinaryOperator, CallArgument, Clause, Expression, Parameter, Target } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';
import type { Token } from './tokens.ts';

/** By how tight they bind; those of one row bind alike. https://github.com/bazelbuild/starlark/blob/master/spec.md */
const rows: BinaryOperator[][] = [
  ['or'],
  ['and'],
  ['==', '!=', '<', '>', '<=', '>=', 'in', 'not in'],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '//', '%'],
];
const comparisons = 2;
const largestInt = Number.MAX_SAFE_INTEGER;

/** An expression, or several with commas between them, which are a tuple. */
export function parseExpressions(stream: TokenStream): Expression {
  const first = parseExpression(stream);
  if (!stream.is(',')) return first;
  const items = [first];
  while (stream.passes(',')) {
    if (endsExpressions(stream)) break;
    items.push(parseExpression(stream));
  }
  return { kind: 'tuple', items, span: across(first.span, items.at(-1)!.span) };
}

function endsExpressions(stream: TokenStream): boolean {
  const next = stream.peek();
  if (next.kind === 'newline' || next.kind === 'end') return true;
  return next.kind === 'operator' && [')', ']', '}', '=', ';', ':'].includes(next.text);
}

export function parseExpression(stream: TokenStream): Expression {
  return stream.nested(() => {
    if (stream.is('lambda')) return parseLambda(stream);
    const consequent = parseBinary(stream, 0);
    if (!stream.passes('if')) return consequent;
    const condition = parseBinary(stream, 0);
    stream.expect('else', 'after the condition');
    const otherwise = parseExpression(stream);
    return { kind: 'condition', condition, consequent, otherwise, span: across(consequent.span, otherwise.span) };
  });
}

function parseLambda(stream: TokenStream): Expression {
  const start = stream.take();
  const parameters = parseParameters(stream, ':');
  stream.expect(':', 'after the parameters');
  const value = parseExpression(stream);
  return { kind: 'lambda', parameters, value, span: across(stream.span(start), value.span) };
}

function binaryOperator(stream: TokenStream, row: number): BinaryOperator | undefined {
  if (stream.is('not') && stream.isAfterNext('in')) return rows[row]!.includes('not in') ? 'not in' : undefined;
  return rows[row]!.find((operator) => stream.is(operator));
}

function parseBinary(stream: TokenStream, row: number): Expression {
  if (row === comparisons && stream.is('not')) return parseNot(stream);
  if (row === rows.length) return parseUnary(stream);
  let left = parseBinary(stream, row + 1);
  for (let seen = 0; ; seen++) {
    refuseOperator(stream);
    const operator = binaryOperator(stream, row);
    if (operator === undefined) return left;
    if (row === comparisons && seen > 0) {
      throw stream.unexpected('comparisons cannot be put in a row', 'write a < b and b < c');
    }
    stream.take();
    if (operator === 'not in') stream.take();
    const right = parseBinary(stream, row + 1);
    left = { kind: 'binary', operator, left, right, span: across(left.span, right.span) };
  }
}

function refuseOperator(stream: TokenStream): void {
  if (stream.is('/')) throw stream.unexpected('there are no fractions in build files', 'write // for whole numbers');
  if (stream.is('**')) throw stream.unexpected('there is no ** in build files', 'write the product out');
  if (stream.is('is')) throw stream.unexpected('there is no is in build files', 'write ==');
  if (stream.is(':=')) throw stream.unexpected('there is no := in build files', 'assign in a line above');
  if (stream.is('@')) throw stream.unexpected('there is no @ in build files');
}

function parseNot(stream: TokenStream): Expression {
  return stream.nested(() => {
    const start = stream.take();
    const value = parseBinary(stream, comparisons);
    return { kind: 'unary', operator: 'not', value, span: across(stream.span(start), value.span) };
  });
}

function parseUnary(stream: TokenStream): Expression {
  const next = stream.peek();
  if (next.kind === 'operator' && (next.text === '-' || next.text === '+' || next.text === '~')) {
    const operator = next.text;
    return stream.nested(() => {
      stream.take();
      const value = parseUnary(stream);
      return { kind: 'unary', operator, value, span: across(stream.span(next), value.span) };
    });
  }
  return parsePrimary(stream);
}

function parsePrimary(stream: TokenStream): Expression {
  let expression = parseOperand(stream);
  for (;;) {
    if (stream.passes('.')) {
      const name = stream.expectName('a name after the dot');
      const nameSpan = stream.span(name);
      const span = across(expression.span, nameSpan);
      expression = { kind: 'attribute', of: expression, name: name.text, nameSpan, span };
    } else if (stream.is('(')) {
      const { args, end } = parseArguments(stream);
      expression = { kind: 'call', callee: expression, args, span: across(expression.span, end) };
    } else if (stream.is('[')) {
      expression = parseSubscript(stream, expression);
    } else {
      return expression;
    }
  }
}

function parseArguments(stream: TokenStream): { args: CallArgument[]; end: Span } {
  stream.take();
  const args: CallArgument[] = [];
  while (!stream.is(')')) {
    const start = stream.peek();
    const argument = (kind: CallArgument['kind'], value: Expression, name?: string): CallArgument => {
      const span = across(stream.span(start), value.span);
      return { kind, value, span, ...(name === undefined ? {} : { name }) };
    };
    if (stream.passes('**')) args.push(argument('double-star', parseExpression(stream)));
    else if (stream.passes('*')) args.push(argument('star', parseExpression(stream)));
    else if (start.kind === 'name' && stream.isAfterNext('=')) {
      stream.take();
      stream.take();
      args.push(argument('named', parseExpression(stream), start.text));
    } else {
      if (args.some(({ kind }) => kind === 'named' || kind === 'double-star')) {
        throw stream.unexpected('an argument without a name follows one with a name', 'write NAME=… or move it up');
      }
      const value = parseExpression(stream);
      args.push(argument('positional', stream.is('for') ? refuseGenerator(stream) : value));
    }
    if (!stream.passes(',')) break;
  }
  return { args, end: stream.span(stream.expect(')', 'after the arguments')) };
}

function refuseGenerator(stream: TokenStream): never {
  throw stream.unexpected('there are no generators in build files', 'put [ and ] around it');
}

function parseSubscript(stream: TokenStream, of: Expression): Expression {
  stream.take();
  const part = () => (stream.is(':') || stream.is(']') ? undefined : parseExpressions(stream));
  const from = part();
  if (!stream.is(':')) {
    const end = stream.span(stream.expect(']', 'after the index'));
    if (from === undefined) throw wrong(end, 'the index is missing', 'write it between [ and ]');
    return { kind: 'index', of, index: from, span: across(of.span, end) };
  }
  stream.take();
  const to = part();
  const step = stream.passes(':') ? part() : undefined;
  const end = stream.span(stream.expect(']', 'after the slice'));
  return { kind: 'slice', of, from, to, step, span: across(of.span, end) };
}

const constants: Record<string, null | boolean> = { None: null, True: true, False: false };

function parseOperand(stream: TokenStream): Expression {
  const token = stream.peek();
  const span = stream.span(token);
  if (token.kind === 'name') {
    stream.take();
    return { kind: 'name', name: token.text, span };
  }
  if (token.kind === 'string') return parseStrings(stream);
  if (token.kind === 'int') {
    stream.take();
    const value = Number(token.text);
    if (value > largestInt) throw wrong(span, 'this number is too large', `at most ${largestInt}`);
    return { kind: 'constant', value, span };
  }
  if (token.kind === 'keyword' && Object.hasOwn(constants, token.text)) {
    stream.take();
    return { kind: 'constant', value: constants[token.text]!, span };
  }
  if (stream.is('(')) return parseParentheses(stream);
  if (stream.is('[')) return parseList(stream);
  if (stream.is('{')) return parseDict(stream);
  if (token.kind === 'keyword') throw wrong(span, `${token.text} cannot stand in an expression of a build file`);
  throw wrong(span, token.text === '' ? 'the line ends too early' : `an expression is missing before ${token.text}`);
}

/** Strings side by side are one. */
function parseStrings(stream: TokenStream): Expression {
  const first = stream.peek();
  const pieces: ReturnType<typeof formatPieces> = [];
  let last = first;
  while (stream.peek().kind === 'string') {
    last = stream.take();
    const { from, to, raw, format } = last.literal!;
    if (!format) pieces.push(decode(stream.source, from, to, raw));
    else pieces.push(...formatPieces(stream.source, last.literal!, stream.depth));
  }
  const span = across(stream.span(first), stream.span(last));
  if (pieces.every((piece) => typeof piece === 'string')) {
    return { kind: 'constant', value: pieces.join(''), span };
  }
  return { kind: 'format', pieces, span };
}

function parseParentheses(stream: TokenStream): Expression {
  const start = stream.take();
  const around = (end: Token) => across(stream.span(start), stream.span(end));
  if (stream.is(')')) return { kind: 'tuple', items: [], span: around(stream.take()) };
  const inner = parseExpressions(stream);
  if (stream.is('for')) refuseGenerator(stream);
  return { ...inner, span: around(stream.expect(')', 'to close the bracket')) };
}

function parseList(stream: TokenStream): Expression {
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

function parseDict(stream: TokenStream): Expression {
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

/** The variables of a for. */
export function parseTarget(stream: TokenStream): Target {
  const first = parsePrimary(stream);
  if (!stream.is(',')) return targetOf(first);
  const items = [targetOf(first)];
  while (stream.passes(',')) {
    if (stream.is('in')) break;
    items.push(targetOf(parsePrimary(stream)));
  }
  return { kind: 'items', items, span: across(first.span, items.at(-1)!.span) };
}

/** Throws a Failure where nothing can be assigned to the expression. */
export function targetOf(expression: Expression): Target {
  const { span } = expression;
  switch (expression.kind) {
    case 'name':
      return { kind: 'name', name: expression.name, span };
    case 'index':
      return { kind: 'index', of: expression.of, index: expression.index, span };
    case 'list':
    case 'tuple':
      return { kind: 'items', items: expression.items.map(targetOf), span };
    default:
      throw wrong(span, 'nothing can be assigned to this', 'write a name on the left of =');
  }
}

/** Up to, and not including, the token that ends them. */
export function parseParameters(stream: TokenStream, end: ')' | ':'): Parameter[] {
  const parameters: Parameter[] = [];
  while (!stream.is(end)) {
    const kind = stream.passes('**') ? 'double-star' : stream.passes('*') ? 'star' : 'plain';
    if (kind === 'star' && stream.is(',')) {
      throw stream.unexpected('a * alone is not read', 'leave it out: every parameter may be given by its name');
    }
    const name = stream.expectName('the name of a parameter');
    const span = stream.span(name);
    if (parameters.some((other) => other.name === name.text)) {
      throw wrong(span, `there are two parameters ${name.text}`, 'give one another name');
    }
    const last = parameters.at(-1);
    if (last?.kind === 'double-star') throw wrong(span, 'nothing can follow the ** parameter', 'move it to the end');
    if (stream.is(':') && end === ')') throw stream.unexpected('there are no types in build files', 'leave it out');
    const parameter: Parameter = { kind, name: name.text, span };
    if (kind === 'plain' && stream.passes('=')) parameter.fallback = parseExpression(stream);
    else if (kind === 'plain' && last?.fallback) {
      throw wrong(span, `${name.text} has no default, and a parameter before it has`, `write ${name.text}=…`);
    }
    parameters.push(parameter);
    if (!stream.passes(',')) break;
  }
  return parameters;
}

function across(first: Span, last: Span): Span {
  return { source: first.source, start: first.start, end: last.end };
}
