import { selectors, unmet } from '../assign.ts';
import type { Configuration } from '../configuration.ts';
import { expressionText, no, yes, type Expression } from '../expression.ts';
import { formatNumber } from '../number.ts';
import type { MenuNode, OptionSymbol } from '../tree.ts';
import { choiceOf, symbolOf } from './rows.ts';

/** What `?` shows of a place in the menu, in lines that are not yet broken. */
export function describe(
  configuration: Configuration,
  node: MenuNode,
  layers: ReadonlyMap<string, readonly string[]>,
): string[] {
  const lines = [node.prompt?.text ?? ''];
  const symbol = symbolOf(node);
  const help = node.help ?? symbol?.nodes.find((each) => each.help !== undefined)?.help;
  if (symbol) lines.push(valueLine(configuration, symbol));
  lines.push('', ...(help ?? 'There is no help for it.').split('\n'), '');
  if (symbol) {
    const reached = layers.get(symbol.name);
    lines.push(
      reached === undefined || reached.length === 0
        ? `No layer declares ARG ${symbol.name} or ARG CONFIG_${symbol.name}.`
        : `Layers: ${reached.join(', ')}`,
    );
  }
  const condition = symbol ? symbol.direct : node.dependency;
  if (condition && condition !== yes) lines.push(conditionLine(configuration, 'Depends on', condition));
  if (symbol) {
    for (const by of selectors(configuration, symbol)) lines.push(`Selected by ${by.name}`);
    if (symbol.weakReverse) lines.push(conditionLine(configuration, 'Implied by', symbol.weakReverse));
    for (const { value } of symbol.selects) lines.push(`Selects ${value.name}`);
  }
  const places = (symbol ?? choiceOf(node))?.nodes ?? [node];
  lines.push(...places.map(({ at }) => `${at.file}:${at.line}`));
  return lines;
}

function valueLine(configuration: Configuration, symbol: OptionSymbol): string {
  const range = configuration.range(symbol);
  const type = symbol.type === 'hex' ? 'hex' : 'int';
  const limits = range ? `, ${formatNumber(range.low, type)} to ${formatNumber(range.high, type)}` : '';
  return `${symbol.name} = ${configuration.value(symbol).text} (${symbol.type}${limits})`;
}

function conditionLine(configuration: Configuration, what: string, condition: Expression): string {
  return `${what} ${expressionText(condition)}${configuration.tri(condition) === 0 ? ' (not so now)' : ''}`;
}

/** Why an option is not to be seen, in a few words. */
export function hiddenBecause(configuration: Configuration, symbol: OptionSymbol): string {
  const prompt = symbol.nodes.find((node) => node.prompt)?.prompt;
  if (!prompt) return `${symbol.name} has no prompt: Kconfig decides it`;
  const [first] = unmet(configuration, prompt.condition);
  return `${symbol.name} cannot be set: it needs ${expressionText(first ?? no)}`;
}
