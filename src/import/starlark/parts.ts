import { didYouMean } from '../../config/did-you-mean.ts';
import type { Budget } from './budget.ts';
import { methodOf, requireKey } from './methods.ts';
import { wrong, type Span } from './source.ts';
import { isObject, kindOf, repr, type Value } from './values.ts';

/** What a value has: its items, slices of it, its attributes. Each throws a Failure at its place on what is not there. */
export function itemAt(whole: Value, index: Value, span: Span, budget: Budget): Value {
  if (isObject(whole, 'dict')) {
    const found = whole.entries.get(requireKey(index, span, budget));
    if (found) return found[1];
    const known = [...whole.entries.values()].map(([key]) => repr(key)).join(', ');
    throw wrong(span, `there is no key ${repr(index)}`, `it has ${known}`);
  }
  if (isObject(whole, 'list') || isObject(whole, 'tuple')) {
    return whole.items[position(whole.items.length, index, span)]!;
  }
  if (typeof whole === 'string') return whole[position(whole.length, index, span)]!;
  throw wrong(span, `${kindOf(whole)} has no parts`);
}

export function putItem(whole: Value, index: Value, value: Value, span: Span, budget: Budget): void {
  if (isObject(whole, 'dict')) {
    whole.entries.set(requireKey(index, span, budget), [index, value]);
    budget.charge(1, span);
  } else if (isObject(whole, 'list')) {
    whole.items[position(whole.items.length, index, span)] = value;
  } else throw wrong(span, `nothing can be assigned to a part of ${kindOf(whole)}`);
}

function position(length: number, index: Value, span: Span): number {
  if (typeof index !== 'number') throw wrong(span, `an index is a number, not ${kindOf(index)}`);
  const found = index < 0 ? index + length : index;
  if (found >= 0 && found < length) return found;
  throw wrong(span, `there is no item ${index}: there are ${length}`);
}

/** `[from:to:step]`; null is what is not given. */
export interface Bounds {
  from: Value;
  to: Value;
  step: Value;
  /** Where each stands. */
  places: Record<'from' | 'to' | 'step', Span>;
}

export function sliceOf(whole: Value, bounds: Bounds, span: Span, budget: Budget): Value {
  const part = (name: 'from' | 'to' | 'step'): number | undefined => {
    const value = bounds[name];
    if (value === null || typeof value === 'number') return value ?? undefined;
    throw wrong(bounds.places[name], `a number is needed, not ${kindOf(value)}`);
  };
  const [first, last, by = 1] = [part('from'), part('to'), part('step')];
  if (by === 0) throw wrong(span, 'the step is 0');
  const items = typeof whole === 'string' ? [...whole] : itemsOf(whole, span);
  budget.charge(items.length, span);
  const bound = (value: number, low: number, high: number) =>
    Math.min(high, Math.max(low, value < 0 ? value + items.length : value));
  const picked: Value[] = [];
  const [start, end] =
    by > 0
      ? [bound(first ?? 0, 0, items.length), bound(last ?? items.length, 0, items.length)]
      : [
          bound(first ?? items.length - 1, -1, items.length - 1),
          last === undefined ? -1 : bound(last, -1, items.length - 1),
        ];
  for (let at = start; by > 0 ? at < end : at > end; at += by) picked.push(items[at]!);
  if (typeof whole === 'string') return picked.join('');
  return { kind: isObject(whole, 'tuple') ? 'tuple' : 'list', items: picked };
}

function itemsOf(value: Value, span: Span): readonly Value[] {
  if (isObject(value, 'list') || isObject(value, 'tuple')) return value.items;
  throw wrong(span, `${kindOf(value)} has no parts`);
}

export function attributeOf(whole: Value, name: string, span: Span, budget: Budget): Value {
  if (!isObject(whole, 'module')) return methodOf(whole, name, span, budget);
  const member = whole.members.get(name);
  if (member !== undefined) return member;
  if (whole.missing) throw whole.missing(name, span);
  const near = didYouMean(name, whole.members.keys());
  const fix = near === undefined ? `it has ${[...whole.members.keys()].join(', ')}` : `did you mean ${near}?`;
  throw wrong(span, `${whole.name} has no ${name}`, fix);
}
