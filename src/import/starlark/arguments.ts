import { didYouMean } from '../../config/did-you-mean.ts';
import { wrong } from './source.ts';
import type { CallArgument } from './syntax.ts';
import { isObject, kindOf, type Argument, type Call, type Value } from './values.ts';

/** The arguments of a call by the names of the parameters. Throws a Failure on what is too much, and on what is missing. */
export function bind(
  name: string,
  parameters: readonly string[],
  required: number,
  { positional, named, span }: Call,
): Map<string, Argument> {
  const extra = positional[parameters.length];
  if (extra) {
    const most = parameters.length === 0 ? 'no arguments' : `at most ${parameters.length}: ${parameters.join(', ')}`;
    throw wrong(extra.span, `${name} takes ${most}`, 'take this one out');
  }
  const bound = new Map<string, Argument>(positional.map((argument, index) => [parameters[index]!, argument]));
  for (const [key, argument] of named) {
    if (!parameters.includes(key)) {
      const near = didYouMean(key, parameters);
      const known = parameters.length === 0 ? 'it takes none' : `it takes ${parameters.join(', ')}`;
      throw wrong(
        argument.span,
        `${name} has no argument ${key}`,
        near === undefined ? known : `did you mean ${near}?`,
      );
    }
    if (bound.has(key)) throw wrong(argument.span, `${key} is given twice`, 'keep one of the two');
    bound.set(key, argument);
  }
  const missing = parameters.slice(0, required).find((parameter) => !bound.has(parameter));
  if (missing !== undefined) throw wrong(span, `${name} needs ${missing}`, `write ${missing} = …`);
  return bound;
}

/** Arguments as a call has them, those of `*` and `**` among the others. Throws a Failure where one is given twice. */
export function spreadArguments(
  given: readonly (Argument & Pick<CallArgument, 'kind' | 'name'>)[],
): Pick<Call, 'positional' | 'named'> {
  const positional: Argument[] = [];
  const named = new Map<string, Argument>();
  const name = (key: string, argument: Argument) => {
    if (named.has(key)) throw wrong(argument.span, `${key} is given twice`, 'keep one of the two');
    named.set(key, argument);
  };
  for (const { kind, name: key, ...argument } of given) {
    const { value, span } = argument;
    if (kind === 'positional') positional.push(argument);
    else if (kind === 'named') name(key!, argument);
    else if (kind === 'star') {
      for (const item of itemsArgument('*', argument)) positional.push({ value: item, span });
    } else {
      if (!isObject(value, 'dict')) throw wrong(span, '** needs a dictionary');
      for (const [each, item] of value.entries.values()) {
        if (typeof each !== 'string') throw wrong(span, 'the names of arguments are strings');
        name(each, { value: item, span });
      }
    }
  }
  return { positional, named };
}

/** What `values` of one argument must be, for messages. */
export function refuseType(name: string, argument: Argument, wanted: string): Error {
  return wrong(argument.span, `${name} needs ${wanted}, not ${kindOf(argument.value)}`);
}

export function stringArgument(name: string, argument: Argument): string {
  if (typeof argument.value === 'string') return argument.value;
  throw refuseType(name, argument, 'a string');
}

export function intArgument(name: string, argument: Argument): number {
  if (typeof argument.value === 'number') return argument.value;
  throw refuseType(name, argument, 'a number');
}

/** The items of a list, a tuple, or the keys of a dictionary. */
export function itemsArgument(name: string, argument: Argument): readonly Value[] {
  const { value } = argument;
  if (typeof value === 'object' && value !== null) {
    if (value.kind === 'list' || value.kind === 'tuple') return value.items;
    if (value.kind === 'dict') return [...value.entries.values()].map(([key]) => key);
  }
  throw refuseType(name, argument, 'a list');
}
