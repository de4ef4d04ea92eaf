import { formatPieces } from './format-string.ts';
import { parseDict, parseList, parseParentheses } from './parse-collection.ts';
import { parseParameters } from './parse-parameters.ts';
import { across, wrong, type Span } from './source.ts';
import { decode } from './strings.ts';
import type { BinaryOperator, CallArgument, Expression } from './syntax.ts';
import type { TokenStream } from './token-stream.ts';

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

export function parseBinary(stream: TokenStream, row: number): Expression {
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

export function parsePrimary(stream: TokenStream): Expression {
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

export function refuseGenerator(stream: TokenStream): never {
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
