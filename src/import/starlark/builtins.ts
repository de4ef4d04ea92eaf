import { bind, intArgument, itemsArgument, stringArgument } from './arguments.ts';
import type { Budget } from './budget.ts';
import { requireKey } from './methods.ts';
import { compare, sizeOf } from './operators.ts';
import { wrong } from './source.ts';
import {
  isObject,
  isTrue,
  textOf,
  kindOf,
  typeOf,
  repr,
  type Argument,
  type Call,
  type Callable,
  type List,
  type Value,
} from './values.ts';

/** Calls a function of the build file: for `sorted(…, key = …)`. */
export type Caller = (callee: Value, call: Call) => Value;

type Run = (args: Map<string, Argument>, call: Call, budget: Budget, caller: Caller) => Value;

const list = (items: readonly Value[]): List => ({ kind: 'list', items: [...items] });
const most = 100_000;

/** `name(parameters)`; those with ? may be left out. */
const functions: Record<string, [signature: string, run: Run]> = {
  abs: ['x', (args) => Math.abs(intArgument('abs', args.get('x')!))],
  all: ['x', (args) => itemsArgument('all', args.get('x')!).every(isTrue)],
  any: ['x', (args) => itemsArgument('any', args.get('x')!).some(isTrue)],
  bool: ['x?', (args) => isTrue(args.get('x')?.value ?? null)],
  enumerate: [
    'x start?',
    (args) => {
      const start = args.has('start') ? intArgument('start', args.get('start')!) : 0;
      const items = itemsArgument('enumerate', args.get('x')!);
      return list(items.map((item, index) => ({ kind: 'tuple', items: [start + index, item] })));
    },
  ],
  int: ['x base?', toInt],
  len: [
    'x',
    (args) => {
      const { value, span } = args.get('x')!;
      if (typeof value === 'string' || (typeof value === 'object' && value !== null)) return sizeOf(value);
      throw wrong(span, `${kindOf(value)} has no length`);
    },
  ],
  list: ['x?', (args) => list(args.has('x') ? itemsArgument('list', args.get('x')!) : [])],
  print: ['*', () => null],
  range: [
    'start stop? step?',
    (args, { span }) => {
      const [first, second, third] = ['start', 'stop', 'step'].map((name) =>
        args.has(name) ? intArgument(name, args.get(name)!) : undefined,
      );
      const [from, to, by] = second === undefined ? [0, first!, 1] : [first!, second, third ?? 1];
      if (by === 0) throw wrong(span, 'the step of range is 0');
      const length = Math.max(0, Math.ceil((to - from) / by));
      if (length > most) throw wrong(span, `this range has ${length} numbers`, `at most ${most} are taken`);
      return list(Array.from({ length }, (_, index) => from + index * by));
    },
  ],
  repr: ['x', (args, _call, budget) => repr(args.get('x')!.value, budget.nodes)],
  reversed: ['x', (args) => list([...itemsArgument('reversed', args.get('x')!)].toReversed())],
  str: ['x', (args, _call, budget) => textOf(args.get('x')!.value, budget.nodes)],
  tuple: ['x?', (args) => ({ kind: 'tuple', items: args.has('x') ? [...itemsArgument('tuple', args.get('x')!)] : [] })],
  type: ['x', (args) => typeOf(args.get('x')!.value)],
};

function toInt(args: Map<string, Argument>): number {
  const argument = args.get('x')!;
  const { value, span } = argument;
  if (typeof value === 'number' || typeof value === 'boolean') return Number(value);
  const text = stringArgument('int', argument).trim();
  const base = args.has('base') ? intArgument('base', args.get('base')!) : 10;
  const digits = text.replace(/^[-+]/, '').replace(base === 16 ? /^0[xX]/ : /^$/, '');
  const fine = base >= 2 && base <= 36 && /^[0-9a-zA-Z]+$/.test(digits);
  const number = fine ? parseInt(digits, base) : Number.NaN;
  if (!Number.isSafeInteger(number) || [...digits].some((digit) => Number.isNaN(parseInt(digit, base)))) {
    throw wrong(span, `${repr(value)} is no number`);
  }
  return text.startsWith('-') ? 0 - number : number;
}

/** Those whose arguments are no fixed list. */
const variadic: Record<string, (call: Call, budget: Budget, caller: Caller) => Value> = {
  dict: ({ positional, named }, budget) => {
    const entries = new Map<string, [Value, Value]>();
    const [from] = positional;
    if (from && isObject(from.value, 'dict')) for (const [key, entry] of from.value.entries) entries.set(key, entry);
    else if (from) {
      for (const pair of itemsArgument('dict', from)) {
        const items = itemsArgument('dict', { value: pair, span: from.span });
        if (items.length !== 2) throw wrong(from.span, 'dict needs pairs of a key and a value');
        entries.set(requireKey(items[0]!, from.span, budget), [items[0]!, items[1]!]);
      }
    }
    for (const [key, { value, span }] of named) entries.set(requireKey(key, span, budget), [key, value]);
    return { kind: 'dict', entries };
  },
  fail: ({ positional, named, span }, budget) => {
    const texts = [...positional, ...named.values()].map(({ value }) => textOf(value, budget.nodes));
    throw wrong(span, texts.join(' ') || 'the build file gives up here', 'see to what the build file asks for');
  },
  max: (call, budget, caller) => extreme('max', call, budget, caller),
  min: (call, budget, caller) => extreme('min', call, budget, caller),
  sorted: ({ positional, named, span }, budget, caller) => {
    const items = oneList('sorted', { positional, named, span });
    const sorted = byKey(items, named, span, budget, caller).toSorted((a, b) =>
      compare(a.key, b.key, span, budget.nodes),
    );
    const values = sorted.map(({ value }) => value);
    return list(isTrue(named.get('reverse')?.value ?? false) ? values.toReversed() : values);
  },
  zip: ({ positional }) => {
    const lists = positional.map((argument) => itemsArgument('zip', argument));
    const length = Math.min(...lists.map(({ length: each }) => each), lists.length === 0 ? 0 : Infinity);
    return list(Array.from({ length }, (_, index) => ({ kind: 'tuple', items: lists.map((each) => each[index]!) })));
  },
};

function oneList(name: string, { positional, span }: Call): readonly Value[] {
  if (positional.length !== 1) throw wrong(span, `${name} needs one list`);
  return itemsArgument(name, positional[0]!);
}

function byKey(items: readonly Value[], named: Call['named'], span: Call['span'], budget: Budget, caller: Caller) {
  budget.charge(items.length * 20, span);
  const key = named.get('key');
  return items.map((value) => {
    if (key === undefined || key.value === null) return { value, key: value };
    const positional = [{ value, span: key.span }];
    return { value, key: caller(key.value, { positional, named: new Map(), span: key.span }) };
  });
}

function extreme(name: 'min' | 'max', call: Call, budget: Budget, caller: Caller): Value {
  const { positional, named, span } = call;
  const items = positional.length > 1 ? positional.map(({ value }) => value) : oneList(name, call);
  const sign = name === 'min' ? 1 : -1;
  const sorted = byKey(items, named, span, budget, caller).toSorted(
    (a, b) => sign * compare(a.key, b.key, span, budget.nodes),
  );
  if (sorted.length === 0) throw wrong(span, `${name} of nothing`);
  return sorted[0]!.value;
}

/** The functions that Starlark has everywhere. */
export function builtins(budget: Budget, caller: Caller): Map<string, Value> {
  const all = new Map<string, Value>();
  for (const [name, [signature, run]] of Object.entries(functions)) {
    const parameters = signature.split(' ');
    const required = parameters.filter((parameter) => !parameter.endsWith('?')).length;
    const names = parameters.map((parameter) => parameter.replace('?', ''));
    const call = (given: Call): Value => {
      const bound = signature === '*' ? new Map<string, Argument>() : bind(name, names, required, given);
      for (const { value } of bound.values()) budget.charge(sizeOf(value), given.span);
      const result = run(bound, given, budget, caller);
      budget.charge(sizeOf(result), given.span);
      return result;
    };
    all.set(name, { kind: 'function', name, call } satisfies Callable);
  }
  for (const [name, run] of Object.entries(variadic)) {
    const call = (given: Call): Value => {
      for (const { value } of given.positional) budget.charge(sizeOf(value), given.span);
      return run(given, budget, caller);
    };
    all.set(name, { kind: 'function', name, call } satisfies Callable);
  }
  return all;
}
