import { didYouMean } from '../config/did-you-mean.ts';
import { expressionText } from './expression.ts';
import { wrong, type Problem } from './lines.ts';
import { baseOf, parseNumber } from './number.ts';
import type { Choice, OptionSymbol } from './tree.ts';

interface Declared {
  symbols: ReadonlyMap<string, OptionSymbol>;
  defined: Iterable<OptionSymbol>;
  choices: Iterable<Choice>;
}

/** What shows only when all is read. Throws a Failure for what no value can be made of; the rest is told. */
export function checkTree({ symbols, defined, choices }: Declared): Problem[] {
  const all = [...defined];
  return [
    ...all.flatMap(symbolProblems),
    ...Array.from(choices).flatMap(choiceProblems),
    ...undefinedNames(symbols, all),
  ];
}

function symbolProblems(symbol: OptionSymbol): Problem[] {
  const { name, type, nodes, defaults, ranges, selects, implies } = symbol;
  const at = nodes[0]!.at;
  const problems: Problem[] = [];
  const tell = (because: string, fix: string) => void problems.push({ because, fix, at });
  if (type === 'unknown') tell(`${name} has no type, so it has no value`, 'write bool, string, int or hex below it');
  if (type === 'string' || type === 'int' || type === 'hex') {
    for (const { value } of defaults) {
      if (value.kind !== 'symbol') {
        throw wrong(
          at,
          `the default ${expressionText(value)} of ${name} is no ${type}`,
          'write one value or one option',
        );
      }
      if (type !== 'string' && !isNumber(value, type)) {
        tell(`the default ${expressionText(value)} of ${name} is no ${type}`, `write ${type === 'int' ? '4' : '0x4'}`);
      }
    }
    if (selects.length + implies.length > 0) {
      tell(`${name} is a ${type}, so what it selects or implies never is`, 'let a bool select it');
    }
  }
  for (const { value } of [...selects, ...implies]) {
    if (value.nodes.length > 0 && value.type !== 'bool' && value.type !== 'unknown') {
      tell(`${name} selects or implies ${value.name}, which is a ${value.type}`, 'only a bool can be selected');
    }
  }
  if (ranges.length > 0 && type !== 'int' && type !== 'hex') {
    tell(`${name} has a range and is no int or hex`, 'take the range away');
  } else {
    for (const { value } of ranges) {
      for (const end of [value.low, value.high]) {
        if (!isNumber(end, type))
          tell(`${expressionText(end)} in the range of ${name} is no ${type}`, 'write a number');
      }
    }
  }
  if (symbol.choice) {
    if (defaults.length > 0)
      tell(`${name} is in a choice, so its default counts for nothing`, 'write it in the choice');
    if (symbol.reverse || symbol.weakReverse) {
      tell(
        `${name} is in a choice, so it cannot be selected or implied`,
        'select something that the choice is made by',
      );
    }
    if (nodes.every(({ prompt }) => !prompt)) tell(`${name} is in a choice and has no prompt`, 'write bool "…"');
  }
  return problems;
}

function isNumber(symbol: OptionSymbol, type: string): boolean {
  if (symbol.nodes.length > 0) return symbol.type === type;
  return parseNumber(symbol.name, baseOf(type)) !== undefined;
}

function choiceProblems(choice: Choice): Problem[] {
  const at = choice.nodes[0]!.at;
  const problems: Problem[] = [];
  if (choice.type !== 'bool')
    problems.push({ because: 'nothing is here to choose', fix: 'write config NAME in it', at });
  if (choice.nodes.every(({ prompt }) => !prompt)) {
    problems.push({
      because: 'this choice has no prompt, so nobody can make it',
      fix: 'write prompt "…" below it',
      at,
    });
  }
  for (const { value } of choice.defaults) {
    if (value.kind !== 'symbol') {
      throw wrong(at, `the default ${expressionText(value)} of this choice is no option`, 'write one of its options');
    }
    if (value.choice !== choice) {
      problems.push({
        because: `the default ${value.name} is not in this choice`,
        fix: 'write one of its options',
        at,
      });
    }
  }
  return problems;
}

/** For so many mistyped names the nearest one is looked for: among thousands that takes a while. */
const suggestions = 20;

/** Names in conditions that nothing defines: mistyped, as a rule. A number is a name that stands for itself. */
function undefinedNames(symbols: ReadonlyMap<string, OptionSymbol>, defined: readonly OptionSymbol[]): Problem[] {
  const names = defined.map(({ name }) => name);
  let looked = 0;
  return [...symbols.values()].flatMap(({ name, nodes, named }): Problem[] => {
    if (nodes.length > 0 || name === 'MODULES' || !named) return [];
    if (parseNumber(name, 0) !== undefined || parseNumber(name, 10) !== undefined) return [];
    if (/^0x/i.test(name) && parseNumber(name, 16) !== undefined) return [];
    looked += 1;
    const near = looked > suggestions ? undefined : didYouMean(name, names);
    const fix =
      near === undefined ? `define it, or write "${name}" where the text itself is meant` : `did you mean ${near}?`;
    return [{ because: `nothing defines ${name}, so it is always n`, fix, at: named }];
  });
}
