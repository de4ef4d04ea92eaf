import { didYouMean } from '../config/did-you-mean.ts';
import { Failure, Failures } from '../failure.ts';
import { isValueOf } from './value.ts';
import type { Configuration } from './configuration.ts';
import { expressionText, no, type Expression } from './expression.ts';
import { formatNumber } from './number.ts';
import type { Kconfig, OptionSymbol } from './tree.ts';

export interface Change {
  name: string;
  from: string;
  to: string;
}

/**
 * Sets options as `NAME=value` (or `CONFIG_NAME=value`) says, all of them or none. Throws Failures for names that are
 * none, for values of another type, and for values that would not hold: what an option depends on has to be set as well.
 */
export function assign(configuration: Configuration, assignments: readonly string[]): Configuration {
  const result = configuration.copy();
  const failures: Failure[] = [];
  const wanted = new Map<OptionSymbol, string>();
  for (const assignment of assignments) {
    try {
      const { symbol, value } = parseAssignment(assignment, configuration.kconfig);
      // Of an optional choice, none may be on.
      const leaves = value === 'n' && symbol.choice?.isOptional === true && result.selection(symbol.choice) === symbol;
      if (leaves) result.setMode(symbol.choice!, 'n');
      else result.set(symbol, value);
      wanted.set(symbol, value);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  if (failures.length === 0) {
    for (const [symbol, value] of wanted) {
      const refused = whyNot(result, symbol, value);
      if (refused) failures.push(refusal(`${symbol.name}=${value}`, refused.because, refused.fix));
    }
  }
  if (failures.length > 0) throw new Failures(failures);
  return result;
}

function refusal(what: string, because: string, fix: string): Failure {
  return new Failure({ doing: `setting ${what}`, because, fix, kind: 'input' });
}

function parseAssignment(text: string, kconfig: Kconfig): { symbol: OptionSymbol; value: string } {
  const equals = text.indexOf('=');
  if (equals <= 0) throw refusal(text, 'there is no value', `write ${text.replace(/=.*/s, '') || 'NAME'}=y`);
  const symbol = findOption(text.slice(0, equals), kconfig);
  const value = text.slice(equals + 1);
  const needs: Partial<Record<typeof symbol.type, string>> = {
    bool: 'y or n',
    int: 'a number, as in 4',
    hex: 'a hexadecimal number, as in 0x1f',
  };
  if (symbol.type === 'unknown') throw refusal(text, `${symbol.name} has no type`, 'give it one in Kconfig');
  if (/[\r\n]/.test(value)) throw refusal(symbol.name, 'its value has more than one line', 'write one line');
  if (!isValueOf(symbol, value)) {
    throw refusal(
      text,
      `${JSON.stringify(value)} is no value of ${symbol.name} (${symbol.type})`,
      `write ${needs[symbol.type]}`,
    );
  }
  return { symbol, value };
}

/** With or without CONFIG_ in front. Throws a Failure with the nearest name when there is none such. */
export function findOption(name: string, { symbols, defined, file }: Kconfig): OptionSymbol {
  for (const each of [name, name.replace(/^CONFIG_/, '')]) {
    const symbol = symbols.get(each);
    if (symbol && symbol.nodes.length > 0) return symbol;
  }
  const near = didYouMean(
    name.replace(/^CONFIG_/, ''),
    defined.map((each) => each.name),
  );
  const fix = near === undefined ? '`imgbuild options list` shows those that there are' : `did you mean ${near}?`;
  throw refusal(name, `there is no option ${name} in ${file}`, fix);
}

/** Why the option does not have this value although it was set so; undefined where it has. */
export function whyNot(
  configuration: Configuration,
  symbol: OptionSymbol,
  value: string,
): { because: string; fix: string } | undefined {
  const { name, choice } = symbol;
  const { text } = configuration.value(symbol);
  if (text === value) return undefined;
  const prompted = symbol.nodes.filter(({ prompt }) => prompt);
  if (prompted.length === 0) {
    return { because: `${name} has no prompt: Kconfig alone decides it`, fix: 'set the options that it hangs on' };
  }
  if (configuration.visibility(symbol) === 0) {
    const [first] = unmet(configuration, prompted[0]!.prompt!.condition);
    const needed = first ?? no;
    return {
      because: `${name} cannot be set while ${stateText(configuration, needed)}`,
      fix:
        needed.kind === 'symbol' && needed.type === 'bool' ? `set ${needed.name}=y as well` : 'set what it depends on',
    };
  }
  if (choice) {
    const picked = configuration.selection(choice)?.name ?? 'none';
    const fix = value === 'n' ? 'set another one of them to y' : 'set only one of them to y';
    return { because: `${name} is one of a choice, and the choice is ${picked}`, fix };
  }
  if (symbol.type === 'bool') {
    const [selecting] = selectors(configuration, symbol);
    const because = selecting ? `${name} is selected by ${selecting.name}` : `${name} is ${text}`;
    return { because, fix: selecting ? `set ${selecting.name}=n as well` : 'set what it hangs on' };
  }
  const range = configuration.range(symbol);
  const type = symbol.type === 'hex' ? 'hex' : 'int';
  if (!range) return { because: `${name} is ${text}`, fix: 'set what it hangs on' };
  const [low, high] = [formatNumber(range.low, type), formatNumber(range.high, type)];
  return { because: `${value} is not between ${low} and ${high}`, fix: 'write a number of this range' };
}

/** Options that are on and select this one. */
export function selectors(configuration: Configuration, symbol: OptionSymbol): OptionSymbol[] {
  return configuration.kconfig.defined.filter((each) =>
    each.selects.some(
      ({ value, condition }) =>
        value === symbol && configuration.value(each).tri > 0 && configuration.tri(condition) > 0,
    ),
  );
}

/** The parts of a condition that do not hold, one by one where all are needed. */
export function unmet(configuration: Configuration, condition: Expression): Expression[] {
  if (condition.kind === 'and') return condition.terms.flatMap((term) => unmet(configuration, term));
  return configuration.tri(condition) === 0 ? [condition] : [];
}

function stateText(configuration: Configuration, condition: Expression): string {
  if (condition === no) return 'its condition is n';
  if (condition.kind !== 'symbol') return `${expressionText(condition)} does not hold`;
  return `${condition.name} is ${configuration.tri(condition) === 0 ? 'n' : 'y'}`;
}

/** What differs, in the order of Kconfig. */
export function changesBetween(before: Configuration, after: Configuration): Change[] {
  return before.kconfig.defined.flatMap((symbol) => {
    const [from, to] = [before.value(symbol).text, after.value(symbol).text];
    return from === to ? [] : [{ name: symbol.name, from, to }];
  });
}
