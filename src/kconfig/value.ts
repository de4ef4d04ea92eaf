import type { Relation, Tri } from './expression.ts';
import { baseOf, compareTexts, parseNumber } from './number.ts';
import type { OptionSymbol } from './tree.ts';

/** What an option comes to. `isWritten`: .config has a line for it. */
export interface Value {
  tri: Tri;
  text: string;
  isWritten: boolean;
}

/**
 * Less than, equal to or greater than zero: as numbers where both are some, n, m and y counting as 0, 1 and 2; else as
 * texts.
 */
export function compareValues(left: OptionSymbol, a: Value, right: OptionSymbol, b: Value): number {
  if (left.type !== 'string' || right.type !== 'string') {
    const first = numberOf(left, a);
    const second = first === undefined ? undefined : numberOf(right, b);
    if (first !== undefined && second !== undefined) return first < second ? -1 : first > second ? 1 : 0;
  }
  return compareTexts(a.text, b.text);
}

export function isValueOf({ type }: OptionSymbol, text: string): boolean {
  switch (type) {
    case 'bool':
      return text === 'y' || text === 'n';
    case 'int':
      return parseNumber(text, 10) !== undefined;
    case 'hex':
      return (parseNumber(text, 16) ?? -1n) >= 0n;
    default:
      return type === 'string';
  }
}

function numberOf({ type }: OptionSymbol, value: Value): bigint | undefined {
  return type === 'bool' || type === 'tristate' ? BigInt(value.tri) : parseNumber(value.text, baseOf(type));
}

export function holds(relation: Relation, order: number): boolean {
  switch (relation) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    default:
      return order >= 0;
  }
}
