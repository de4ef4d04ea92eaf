import type { Budget } from './budget.ts';
import { formatPercent } from './format.ts';
import { wrong, type Span } from './source.ts';
import type { BinaryOperator } from './syntax.ts';
import { areEqual, isObject, isTrue, keyOf, kindOf, type Nodes, type Value } from './values.ts';

/** All but `and` and `or`, which need only one side sometimes. */
export function binary(
  operator: Exclude<BinaryOperator, 'and' | 'or'>,
  left: Value,
  right: Value,
  span: Span,
  budget: Budget,
): Value {
  switch (operator) {
    case '==':
      budget.charge(sizeOf(left), span);
      return areEqual(left, right, budget.nodes);
    case '!=':
      budget.charge(sizeOf(left), span);
      return !areEqual(left, right, budget.nodes);
    case '<':
      return compare(left, right, span, budget.nodes) < 0;
    case '>':
      return compare(left, right, span, budget.nodes) > 0;
    case '<=':
      return compare(left, right, span, budget.nodes) <= 0;
    case '>=':
      return compare(left, right, span, budget.nodes) >= 0;
    case 'in':
      return contains(right, left, span, budget);
    case 'not in':
      return !contains(right, left, span, budget);
    case '+':
      return add(left, right, span, budget);
    case '*':
      return multiply(left, right, span, budget);
    case '%':
      if (typeof left === 'string') return formatPercent(left, right, span, budget);
      return arithmetic(operator, left, right, span);
    case '|':
      if (isObject(left, 'dict') && isObject(right, 'dict')) {
        budget.charge(left.entries.size + right.entries.size, span);
        return { kind: 'dict', entries: new Map([...left.entries, ...right.entries]) };
      }
      return arithmetic(operator, left, right, span);
    default:
      return arithmetic(operator, left, right, span);
  }
}

export function unary(operator: '-' | '+' | '~' | 'not', value: Value, span: Span): Value {
  if (operator === 'not') return !isTrue(value);
  if (typeof value !== 'number') throw wrong(span, `${operator} needs a number, not ${kindOf(value)}`);
  if (operator === '+') return value;
  return operator === '-' ? 0 - value : -1 - value;
}

/** Negative, zero or positive. Throws a Failure where two values have no order. */
export function compare(a: Value, b: Value, span: Span, nodes: Nodes): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b);
  if ((isObject(a, 'list') && isObject(b, 'list')) || (isObject(a, 'tuple') && isObject(b, 'tuple'))) {
    const different = a.items.findIndex(
      (item, index) => index >= b.items.length || !areEqual(item, b.items[index]!, nodes),
    );
    if (different < 0 || different >= b.items.length) return a.items.length - b.items.length;
    return compare(a.items[different]!, b.items[different]!, span, nodes);
  }
  throw wrong(span, `${kindOf(a)} and ${kindOf(b)} have no order`, 'compare values of one type');
}

export function sizeOf(value: Value): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 1;
  if (value.kind === 'list' || value.kind === 'tuple') return value.items.length;
  return value.kind === 'dict' ? value.entries.size : 1;
}

function contains(whole: Value, part: Value, span: Span, budget: Budget): boolean {
  budget.charge(sizeOf(whole), span);
  if (typeof whole === 'string') {
    if (typeof part === 'string') return whole.includes(part);
    throw wrong(span, `${kindOf(part)} cannot be in a string`, 'write str(…) around it');
  }
  if (isObject(whole, 'list') || isObject(whole, 'tuple'))
    return whole.items.some((item) => areEqual(item, part, budget.nodes));
  if (isObject(whole, 'dict')) {
    const key = keyOf(part, budget.nodes);
    return key !== undefined && whole.entries.has(key);
  }
  throw wrong(span, `nothing can be in ${kindOf(whole)}`, 'a list, a dictionary or a string is needed');
}

function add(left: Value, right: Value, span: Span, budget: Budget): Value {
  if (typeof left === 'number' && typeof right === 'number') return safe(left + right, span);
  budget.charge(sizeOf(left) + sizeOf(right), span);
  if (typeof left === 'string' && typeof right === 'string') return left + right;
  if (isObject(left, 'list') && isObject(right, 'list'))
    return { kind: 'list', items: [...left.items, ...right.items] };
  if (isObject(left, 'tuple') && isObject(right, 'tuple')) {
    return { kind: 'tuple', items: [...left.items, ...right.items] };
  }
  const text = typeof left === 'string' || typeof right === 'string';
  const fix = text ? 'write str(…) around what is no string' : undefined;
  throw wrong(span, `${kindOf(left)} and ${kindOf(right)} cannot be added`, fix);
}

function multiply(left: Value, right: Value, span: Span, budget: Budget): Value {
  if (typeof left === 'number' && typeof right === 'number') return safe(left * right, span);
  const [times, value] = typeof left === 'number' ? [left, right] : [right, left];
  if (typeof times === 'number') {
    const count = Math.max(0, times);
    if (typeof value === 'string') {
      budget.charge(value.length * count, span);
      return value.repeat(value === '' ? 0 : count);
    }
    if (isObject(value, 'list') || isObject(value, 'tuple')) {
      const { items } = value;
      budget.charge(items.length * count, span);
      const repeated = items.length === 0 ? [] : Array.from({ length: count }, () => items).flat();
      return { kind: value.kind, items: repeated };
    }
  }
  throw wrong(span, `${kindOf(left)} and ${kindOf(right)} cannot be multiplied`);
}

type Arithmetic = '-' | '//' | '%' | '&' | '|' | '^' | '<<' | '>>';

function arithmetic(operator: Arithmetic, left: Value, right: Value, span: Span): number {
  if (typeof left !== 'number' || typeof right !== 'number') {
    throw wrong(span, `${operator} needs two numbers, not ${kindOf(left)} and ${kindOf(right)}`);
  }
  if ((operator === '//' || operator === '%') && right === 0) throw wrong(span, 'this divides by zero');
  if ((operator === '<<' || operator === '>>') && (right < 0 || right > 64)) {
    throw wrong(span, `a number cannot be shifted by ${right}`);
  }
  switch (operator) {
    case '-':
      return safe(left - right, span);
    case '//':
      return safe(Math.floor(left / right), span);
    case '%': {
      const rest = left % right;
      return rest !== 0 && rest < 0 !== right < 0 ? rest + right : rest + 0;
    }
    case '<<':
      return fromBig(BigInt(left) << BigInt(right), span);
    case '>>':
      return fromBig(BigInt(left) >> BigInt(right), span);
    case '&':
      return fromBig(BigInt(left) & BigInt(right), span);
    case '|':
      return fromBig(BigInt(left) | BigInt(right), span);
    case '^':
      return fromBig(BigInt(left) ^ BigInt(right), span);
  }
}

function fromBig(value: bigint, span: Span): number {
  return safe(Number(value), span);
}

function safe(value: number, span: Span): number {
  if (!Number.isSafeInteger(value)) throw wrong(span, 'this number is too large');
  return value + 0;
}
