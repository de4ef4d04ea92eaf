import type { Span } from './source.ts';
import type { FunctionDefinition, Expression, Parameter } from './syntax.ts';

/** Whole numbers within ±(2^53 - 1), strings as JavaScript has them. */
export type Value = null | boolean | number | string | List | Tuple | Dict | Callable | Module;

export interface List {
  kind: 'list';
  items: Value[];
}

export interface Tuple {
  kind: 'tuple';
  items: readonly Value[];
}

export interface Dict {
  kind: 'dict';
  /** By what `keyOf` makes of the key. */
  entries: Map<string, [key: Value, value: Value]>;
}

/** Names that stand together: `install`, or what an included file defines. */
export interface Module {
  kind: 'module';
  name: string;
  members: Map<string, Value>;
  /** What to say of a name that it has not. */
  missing?(name: string, span: Span): Error;
}

export interface Argument {
  value: Value;
  span: Span;
}

/** One call of a function. */
export interface Call {
  positional: Argument[];
  named: Map<string, Argument>;
  /** From the function's name to the closing bracket. */
  span: Span;
}

export interface Callable {
  kind: 'function';
  name: string;
  /** Absent in functions that are ours. */
  definition?: { parameters: Parameter[]; body: FunctionDefinition['body'] | Expression; defaults: Map<string, Value> };
  scope?: Scope;
  call?(call: Call): Value;
}

/** Names and their values, within those around. */
export class Scope {
  readonly names = new Map<string, Value>();
  readonly around: Scope | undefined;

  constructor(around?: Scope) {
    this.around = around;
  }

  find(name: string): Scope | undefined {
    return this.names.has(name) ? this : this.around?.find(name);
  }

  /** All names that can be used here. */
  known(): string[] {
    return [...this.names.keys(), ...(this.around?.known() ?? [])];
  }
}

export function isObject<K extends 'list' | 'tuple' | 'dict' | 'module' | 'function'>(
  value: Value,
  kind: K,
): value is Extract<Value, { kind: K }> {
  return typeof value === 'object' && value !== null && value.kind === kind;
}

export function typeOf(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
      return 'int';
    case 'string':
      return 'string';
    default:
      return value === null ? 'NoneType' : value.kind;
  }
}

/** For messages: `an int`, `a string`. */
export function kindOf(value: Value): string {
  const type = typeOf(value);
  return type === 'NoneType' ? 'None' : `${type === 'int' ? 'an' : 'a'} ${type}`;
}

export function isTrue(value: Value): boolean {
  if (typeof value !== 'object') return Boolean(value);
  if (value === null) return false;
  if (value.kind === 'list' || value.kind === 'tuple') return value.items.length > 0;
  return value.kind !== 'dict' || value.entries.size > 0;
}

/** How many values may still be gone through: of what refers to itself, or to one thing many times, there is no end. */
export interface Nodes {
  left: number;
}

/** Throws a RangeError where there are no more. */
function count(nodes: Nodes): void {
  nodes.left -= 1;
  if (nodes.left < 0) throw new RangeError('too many values');
}

/** Equal values have equal keys; undefined for what cannot be a key of a dictionary. */
export function keyOf(value: Value, nodes: Nodes): string | undefined {
  count(nodes);
  if (typeof value === 'string') return `s${value}`;
  if (value === null || typeof value !== 'object') return String(value);
  if (value.kind !== 'tuple') return undefined;
  const keys = value.items.map((item) => keyOf(item, nodes));
  return keys.includes(undefined) ? undefined : `t${JSON.stringify(keys)}`;
}

export function areEqual(a: Value, b: Value, nodes: Nodes): boolean {
  count(nodes);
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if ((a.kind === 'list' || a.kind === 'tuple') && a.kind === b.kind) {
    return a.items.length === b.items.length && a.items.every((item, index) => areEqual(item, b.items[index]!, nodes));
  }
  if (a.kind === 'dict' && b.kind === 'dict') {
    if (a.entries.size !== b.entries.size) return false;
    return [...a.entries].every(([key, [, value]]) => {
      const other = b.entries.get(key);
      return other !== undefined && areEqual(value, other[1], nodes);
    });
  }
  return false;
}

/** As the value would be written in a build file. Throws a RangeError when it is too large to be. */
export function repr(value: Value, nodes: Nodes = { left: 10_000 }): string {
  count(nodes);
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  const inside = (inner: Value) => repr(inner, nodes);
  switch (value.kind) {
    case 'list':
      return `[${value.items.map(inside).join(', ')}]`;
    case 'tuple':
      return `(${value.items.map(inside).join(', ')}${value.items.length === 1 ? ',' : ''})`;
    case 'dict':
      return `{${[...value.entries.values()].map(([key, item]) => `${inside(key)}: ${inside(item)}`).join(', ')}}`;
    case 'module':
      return `<module ${value.name}>`;
    case 'function':
      return `<function ${value.name}>`;
  }
}

export function textOf(value: Value, nodes?: Nodes): string {
  return typeof value === 'string' ? value : repr(value, nodes);
}

function quoted(text: string): string {
  const escaped = text.replaceAll(/["\\\n\r\t]/g, (char) => escapes[char]!);
  return `"${escaped}"`;
}

const escapes: Record<string, string> = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
