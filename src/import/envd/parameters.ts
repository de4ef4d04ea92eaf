import { bind, refuseType } from '../starlark/arguments.ts';
import { wrong, type Span } from '../starlark/source.ts';
import { kindOf, type Argument, type Call } from '../starlark/values.ts';
import type { Written } from './steps.ts';

/** Other names that versions of envd gave to a parameter. */
const renamed: Record<string, Record<string, string>> = {
  'io.copy': { src: 'source', dest: 'target', host_path: 'source', envd_path: 'target' },
};

/** What one call of a function of envd was given. Its methods throw Failures with the argument's place. */
export class Given {
  readonly call: string;
  readonly span: Span;
  readonly #bound: Map<string, Argument>;

  /** `signature`: the parameters in their order; those with ? may be left out. */
  constructor(call: string, signature: string, given: Call) {
    const parameters = signature.split(' ').filter((name) => name !== '');
    const names = parameters.map((name) => name.replace('?', ''));
    const required = parameters.filter((name) => !name.endsWith('?')).length;
    const aliases = renamed[call] ?? {};
    const named = new Map<string, Argument>();
    for (const [name, argument] of given.named) {
      const known = aliases[name] ?? name;
      if (named.has(known)) throw wrong(argument.span, `${known} is given twice`, 'keep one of the two');
      named.set(known, argument);
    }
    this.call = call;
    this.span = given.span;
    this.#bound = bind(call, names, required, { ...given, named });
  }

  /** None counts as not given. */
  has(name: string): boolean {
    return (this.#bound.get(name)?.value ?? null) !== null;
  }

  written(name: string): Written | undefined {
    if (!this.has(name)) return undefined;
    const argument = this.#bound.get(name)!;
    if (typeof argument.value !== 'string') throw this.#refuse(name, argument, 'a string');
    return { text: argument.value, span: argument.span };
  }

  text(name: string): string {
    return this.written(name)?.text ?? '';
  }

  flag(name: string): boolean {
    if (!this.has(name)) return false;
    const argument = this.#bound.get(name)!;
    if (typeof argument.value !== 'boolean') throw this.#refuse(name, argument, 'True or False');
    return argument.value;
  }

  number(name: string): number | undefined {
    if (!this.has(name)) return undefined;
    const argument = this.#bound.get(name)!;
    if (typeof argument.value !== 'number') throw this.#refuse(name, argument, 'a number');
    return argument.value;
  }

  strings(name: string): Written[] {
    if (!this.has(name)) return [];
    const argument = this.#bound.get(name)!;
    return this.#strings(name, argument);
  }

  lists(name: string): string[][] {
    const argument = this.#bound.get(name)!;
    return this.#items(name, argument, 'a list of lists of strings').map((item) =>
      this.#strings(name, item).map(({ text }) => text),
    );
  }

  map(name: string): [key: string, value: string][] {
    if (!this.has(name)) return [];
    const argument = this.#bound.get(name)!;
    const { value } = argument;
    const wanted = 'a dictionary of strings';
    if (typeof value !== 'object' || value?.kind !== 'dict') throw this.#refuse(name, argument, wanted);
    return [...value.entries.values()].map(([key, item]) => {
      if (typeof key === 'string' && typeof item === 'string') return [key, item];
      const other = typeof key === 'string' ? item : key;
      throw wrong(argument.span, `${this.call}: ${name} needs ${wanted}, and there is ${kindOf(other)} in it`);
    });
  }

  /** The call as far as this argument is concerned. */
  spanOf(name: string): Span {
    return this.#bound.get(name)?.span ?? this.span;
  }

  #strings(name: string, argument: Argument): Written[] {
    return this.#items(name, argument, 'a list of strings').map(({ value, span }) => {
      if (typeof value === 'string') return { text: value, span };
      throw wrong(span, `${this.call}: ${name} needs strings, and there is ${kindOf(value)} in it`);
    });
  }

  #items(name: string, argument: Argument, wanted: string): Argument[] {
    const { value, span } = argument;
    if (typeof value !== 'object' || (value?.kind !== 'list' && value?.kind !== 'tuple')) {
      throw this.#refuse(name, argument, wanted);
    }
    return value.items.map((item) => ({ value: item, span }));
  }

  #refuse(name: string, argument: Argument, wanted: string): Error {
    return refuseType(`${this.call}: ${name}`, argument, wanted);
  }
}
