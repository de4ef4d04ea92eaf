import { didYouMean } from '../../config/did-you-mean.ts';
import { bind, intArgument, itemsArgument, stringArgument } from './arguments.ts';
import type { Budget } from './budget.ts';
import { formatBraces } from './format.ts';
import { sizeOf } from './operators.ts';
import { wrong, type Span } from './source.ts';
import {
  areEqual,
  isObject,
  keyOf,
  repr,
  kindOf,
  type Argument,
  type Call,
  type Dict,
  type List,
  type Value,
} from './values.ts';

type Bound = Map<string, Argument>;
type Method<T> = {
  parameters: string[];
  required: number;
  run(self: T, bound: Bound, call: Call, budget: Budget): Value;
};

const list = (items: readonly Value[]): List => ({ kind: 'list', items: [...items] });

function method<T>(signature: string, run: Method<T>['run']): Method<T> {
  const parameters = signature.split(' ').filter((name) => name !== '');
  const required = parameters.filter((name) => !name.endsWith('?')).length;
  return { parameters: parameters.map((name) => name.replace('?', '')), required, run };
}

const text = (bound: Bound, name: string): string => stringArgument(name, bound.get(name)!);

/** One, or a tuple of them. */
function affixes(bound: Bound, name: string): string[] {
  const argument = bound.get(name)!;
  if (!isObject(argument.value, 'tuple')) return [stringArgument(name, argument)];
  return argument.value.items.map((value) => stringArgument(name, { value, span: argument.span }));
}

function stripped(side: 'both' | 'left' | 'right') {
  return method<string>('chars?', (self, bound) => {
    const chars = bound.has('chars') ? text(bound, 'chars') : ' \t\n\r\f\v';
    let [from, to] = [0, self.length];
    if (side !== 'right') while (from < to && chars.includes(self[from]!)) from += 1;
    if (side !== 'left') while (to > from && chars.includes(self[to - 1]!)) to -= 1;
    return self.slice(from, to);
  });
}

function splitting(fromRight: boolean) {
  return method<string>('sep? maxsplit?', (self, bound) => {
    const given = bound.get('sep');
    const most = bound.has('maxsplit') ? intArgument('maxsplit', bound.get('maxsplit')!) : -1;
    const byWords = given === undefined || given.value === null;
    const separator = byWords ? '' : stringArgument('sep', given);
    if (!byWords && separator === '') throw wrong(given!.span, 'the separator is empty');
    const parts = byWords ? self.split(/\s+/).filter((part) => part !== '') : self.split(separator);
    if (most < 0 || parts.length <= most + 1) return list(parts);
    if (byWords) {
      const words = [...self.matchAll(/\S+/g)];
      if (fromRight) {
        const first = words[words.length - most];
        return list([self.slice(0, first?.index ?? self.length).trim(), ...parts.slice(parts.length - most)]);
      }
      return list([...parts.slice(0, most), self.slice(words[most]!.index).trimEnd()]);
    }
    if (fromRight) {
      const cut = parts.length - most;
      return list([parts.slice(0, cut).join(separator), ...parts.slice(cut)]);
    }
    return list([...parts.slice(0, most), parts.slice(most).join(separator)]);
  });
}

function finding(fromRight: boolean, throws: boolean) {
  return method<string>('sub', (self, bound, { span }) => {
    const sub = text(bound, 'sub');
    const found = fromRight ? self.lastIndexOf(sub) : self.indexOf(sub);
    if (found < 0 && throws) throw wrong(span, `there is no ${repr(sub)} in the string`);
    return found;
  });
}

function parting(fromRight: boolean) {
  return method<string>('sep', (self, bound) => {
    const sep = text(bound, 'sep');
    if (sep === '') throw wrong(bound.get('sep')!.span, 'the separator is empty');
    const found = fromRight ? self.lastIndexOf(sep) : self.indexOf(sep);
    if (found < 0) return { kind: 'tuple', items: fromRight ? ['', '', self] : [self, '', ''] };
    return { kind: 'tuple', items: [self.slice(0, found), sep, self.slice(found + sep.length)] };
  });
}

const every = (pattern: RegExp) => method<string>('', (self) => pattern.test(self));

const strings: Record<string, Method<string>> = {
  capitalize: method('', (self) => self.slice(0, 1).toUpperCase() + self.slice(1).toLowerCase()),
  count: method('sub', (self, bound) => {
    const sub = text(bound, 'sub');
    return sub === '' ? self.length + 1 : self.split(sub).length - 1;
  }),
  endswith: method('suffix', (self, bound) => affixes(bound, 'suffix').some((each) => self.endsWith(each))),
  find: finding(false, false),
  index: finding(false, true),
  isalnum: every(/^[\p{L}\p{N}]+$/u),
  isalpha: every(/^\p{L}+$/u),
  isdigit: every(/^\d+$/),
  islower: method('', (self) => self !== self.toUpperCase() && self === self.toLowerCase()),
  isspace: every(/^\s+$/),
  isupper: method('', (self) => self !== self.toLowerCase() && self === self.toUpperCase()),
  join: method('iterable', (self, bound, { span }, budget) => {
    const argument = bound.get('iterable')!;
    const parts = itemsArgument('join', argument).map((value) =>
      stringArgument('join', { value, span: argument.span }),
    );
    budget.charge(
      parts.reduce((sum, part) => sum + part.length + self.length, 0),
      span,
    );
    return parts.join(self);
  }),
  lower: method('', (self) => self.toLowerCase()),
  lstrip: stripped('left'),
  partition: parting(false),
  removeprefix: method('prefix', (self, bound) => {
    const prefix = text(bound, 'prefix');
    return self.startsWith(prefix) ? self.slice(prefix.length) : self;
  }),
  removesuffix: method('suffix', (self, bound) => {
    const suffix = text(bound, 'suffix');
    return suffix !== '' && self.endsWith(suffix) ? self.slice(0, -suffix.length) : self;
  }),
  replace: method('old new count?', (self, bound, { span }, budget) => {
    const [before, after] = [text(bound, 'old'), text(bound, 'new')];
    if (before === '') throw wrong(bound.get('old')!.span, 'the text that is to be replaced is empty');
    const parts = self.split(before);
    const most = bound.has('count') ? intArgument('count', bound.get('count')!) : -1;
    const times = most < 0 ? parts.length - 1 : Math.min(most, parts.length - 1);
    budget.charge(self.length + times * after.length, span);
    return [parts.slice(0, times + 1).join(after), ...parts.slice(times + 1)].join(before);
  }),
  rfind: finding(true, false),
  rindex: finding(true, true),
  rpartition: parting(true),
  rsplit: splitting(true),
  rstrip: stripped('right'),
  split: splitting(false),
  splitlines: method('', (self) => {
    const lines = self.split(/\r\n|\n|\r/);
    return list(lines.at(-1) === '' ? lines.slice(0, -1) : lines);
  }),
  startswith: method('prefix', (self, bound) => affixes(bound, 'prefix').some((each) => self.startsWith(each))),
  strip: stripped('both'),
  title: method('', (self) => self.toLowerCase().replaceAll(/(?<!\p{L})\p{L}/gu, (letter) => letter.toUpperCase())),
  upper: method('', (self) => self.toUpperCase()),
};

function indexIn(self: List, argument: Argument | undefined, otherwise: number): number {
  const index = argument === undefined ? otherwise : intArgument('index', argument);
  return index < 0 ? index + self.items.length : index;
}

const lists: Record<string, Method<List>> = {
  append: method('item', (self, bound) => {
    self.items.push(bound.get('item')!.value);
    return null;
  }),
  clear: method('', (self) => {
    self.items.length = 0;
    return null;
  }),
  extend: method('items', (self, bound, { span }, budget) => {
    const items = [...itemsArgument('extend', bound.get('items')!)];
    budget.charge(self.items.length + items.length, span);
    for (const item of items) self.items.push(item);
    return null;
  }),
  index: method('item', (self, bound, { span }, budget) => {
    const found = self.items.findIndex((item) => areEqual(item, bound.get('item')!.value, budget.nodes));
    if (found < 0) throw wrong(span, `there is no ${repr(bound.get('item')!.value)} in the list`);
    return found;
  }),
  insert: method('index item', (self, bound) => {
    self.items.splice(Math.max(0, indexIn(self, bound.get('index'), 0)), 0, bound.get('item')!.value);
    return null;
  }),
  pop: method('index?', (self, bound, { span }) => {
    const index = indexIn(self, bound.get('index'), -1);
    const [item] = index < 0 || index >= self.items.length ? [] : self.items.splice(index, 1);
    if (item === undefined) throw wrong(span, 'the list has no such item');
    return item;
  }),
  remove: method('item', (self, bound, { span }, budget) => {
    const found = self.items.findIndex((item) => areEqual(item, bound.get('item')!.value, budget.nodes));
    if (found < 0) throw wrong(span, `there is no ${repr(bound.get('item')!.value)} in the list`);
    self.items.splice(found, 1);
    return null;
  }),
};

/** Throws a Failure where a value cannot be a key. */
export function requireKey(value: Value, span: Span, budget: Budget): string {
  const key = keyOf(value, budget.nodes);
  if (key === undefined) throw wrong(span, `${kindOf(value)} cannot be a key of a dictionary`, 'write a string');
  return key;
}

const keyArgument = (bound: Bound, budget: Budget) =>
  requireKey(bound.get('key')!.value, bound.get('key')!.span, budget);

const dicts: Record<string, Method<Dict>> = {
  clear: method('', (self) => {
    self.entries.clear();
    return null;
  }),
  get: method('key default?', (self, bound, _call, budget) => {
    return self.entries.get(keyArgument(bound, budget))?.[1] ?? bound.get('default')?.value ?? null;
  }),
  items: method('', (self) => list([...self.entries.values()].map((items) => ({ kind: 'tuple', items })))),
  keys: method('', (self) => list([...self.entries.values()].map(([key]) => key))),
  pop: method('key default?', (self, bound, { span }, budget) => {
    const key = keyArgument(bound, budget);
    const found = self.entries.get(key);
    self.entries.delete(key);
    if (found) return found[1];
    if (bound.has('default')) return bound.get('default')!.value;
    throw wrong(span, `there is no key ${repr(bound.get('key')!.value)}`);
  }),
  setdefault: method('key default?', (self, bound, _call, budget) => {
    const key = keyArgument(bound, budget);
    const found = self.entries.get(key);
    if (found) return found[1];
    const value = bound.get('default')?.value ?? null;
    self.entries.set(key, [bound.get('key')!.value, value]);
    return value;
  }),
  update: method('other', (self, bound, { span }, budget) => {
    const argument = bound.get('other')!;
    if (!isObject(argument.value, 'dict')) throw wrong(argument.span, `update needs a dictionary`);
    budget.charge(argument.value.entries.size, span);
    for (const [key, entry] of argument.value.entries) self.entries.set(key, entry);
    return null;
  }),
  values: method('', (self) => list([...self.entries.values()].map(([, value]) => value))),
};

/** `VALUE.NAME`, as a function to be called. Throws a Failure where there is no such method. */
export function methodOf(self: Value, name: string, span: Span, budget: Budget): Value {
  const pick = <T extends Value>(methods: Record<string, Method<T>>, value: T): Value => {
    const found = Object.hasOwn(methods, name) ? methods[name] : undefined;
    if (!found) throw noMethod(name, Object.keys(methods), value, span);
    return {
      kind: 'function',
      name,
      call(call) {
        budget.charge(sizeOf(value), call.span);
        return found.run(value, bind(name, found.parameters, found.required, call), call, budget);
      },
    };
  };
  if (typeof self === 'string' && name === 'format') {
    return { kind: 'function', name, call: (call) => formatBraces(self, call, budget) };
  }
  if (typeof self === 'string') return pick(strings, self);
  if (isObject(self, 'list')) return pick(lists, self);
  if (isObject(self, 'dict')) return pick(dicts, self);
  throw wrong(span, `${kindOf(self)} has no ${name}`);
}

function noMethod(name: string, known: string[], self: Value, span: Span): Error {
  const near = didYouMean(name, known);
  return wrong(
    span,
    `${kindOf(self)} has no ${name}`,
    near === undefined ? `it has ${known.join(', ')}` : `did you mean ${near}?`,
  );
}
