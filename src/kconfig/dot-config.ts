import { didYouMean } from '../config/did-you-mean.ts';
import type { SourceLocation } from '../failure.ts';
import { Configuration } from './configuration.ts';
import type { Problem } from './lines.ts';
import { formatNumber } from './number.ts';
import type { Kconfig, OptionSymbol } from './tree.ts';

/** A line about a symbol that Kconfig does not define: kept as it is. */
export interface UnknownOption {
  name: string;
  /** As a build arg has it: without quotes; `n` where it is not set. */
  value: string;
  line: string;
}

export interface ReadConfig {
  configuration: Configuration;
  /** Each name once, the last line of it, in the order of the file. */
  unknown: UnknownOption[];
  problems: Problem[];
}

const setLine = /^CONFIG_([^=]+)=(.*)$/s;
const unsetLine = /^# CONFIG_([^ ]+) is not set/;
/** For so many unknown names the nearest one is looked for. */
const suggestions = 20;
const quoted = /^"((?:[^\\"]|\\.)*)"/;

/** Reads the text of a .config or defconfig. What is no value of its option is told and left out. */
export function readConfig(text: string, file: string, kconfig: Kconfig): ReadConfig {
  const configuration = new Configuration(kconfig);
  const unknown = new Map<string, UnknownOption>();
  const problems: Problem[] = [];
  const names = kconfig.defined.map((each) => each.name);
  const seen = new Map<OptionSymbol, { value: string; at: SourceLocation }>();
  for (const [index, row] of text.replaceAll(/\r\n?/g, '\n').split('\n').entries()) {
    const line = row.trimEnd();
    const place = (start: number): SourceLocation => {
      return { file, line: index + 1, column: start + 1, length: Math.max(1, line.length - start), text: row };
    };
    const tell = (because: string, fix: string, start = 0) => {
      problems.push({ because, fix, at: place(start) });
    };
    const match = setLine.exec(line);
    const valueStart = match ? line.length - match[2]!.length : 0;
    const name = match?.[1] ?? unsetLine.exec(line)?.[1];
    if (name === undefined) {
      if (line !== '' && !line.trimStart().startsWith('#')) tell('this is no line of a .config', 'write CONFIG_NAME=y');
      continue;
    }
    const symbol = kconfig.symbols.get(name);
    if (!symbol || symbol.nodes.length === 0) {
      const near = unknown.size < suggestions ? didYouMean(name, names) : undefined;
      tell(
        `${kconfig.file} has no option ${name}; the line is kept`,
        near === undefined ? `define it there, or remove the line` : `did you mean ${near}?`,
      );
      unknown.delete(name);
      unknown.set(name, { name, value: match ? plainText(match[2]!) : 'n', line });
      continue;
    }
    const value = match ? valueOf(symbol, match[2]!) : symbol.type === 'bool' ? 'n' : undefined;
    if (value === undefined || !configuration.set(symbol, value)) {
      // "is not set" says nothing of a text or a number.
      if (match)
        tell(`${match[2] === '' ? 'nothing' : match[2]} is no value of ${name}`, exampleOf(symbol), valueStart);
      continue;
    }
    const before = seen.get(symbol)?.value;
    if (before !== undefined && before !== value) {
      tell(`${name} was ${before} in a line above; this one counts`, 'keep one');
    }
    seen.set(symbol, { value, at: place(valueStart) });
  }
  for (const [symbol, { value, at }] of seen) problems.push(...rangeProblems(configuration, symbol, value, at));
  return { configuration, unknown: [...unknown.values()], problems };
}

/** A number that is out of range does not count, and nobody would see why. */
function rangeProblems(
  configuration: Configuration,
  symbol: OptionSymbol,
  value: string,
  at: SourceLocation,
): Problem[] {
  if ((symbol.type !== 'int' && symbol.type !== 'hex') || configuration.visibility(symbol) === 0) return [];
  const { text } = configuration.value(symbol);
  const range = configuration.range(symbol);
  if (text === value || !range) return [];
  const [low, high] = [formatNumber(range.low, symbol.type), formatNumber(range.high, symbol.type)];
  return [
    {
      because: `${value} is not between ${low} and ${high}: ${symbol.name} is ${text}`,
      fix: 'write a number of this range',
      at,
    },
  ];
}

/** Undefined where the text cannot be read. Of y and n, only the first letter counts, as in Kconfig's own tools. */
function valueOf(symbol: OptionSymbol, written: string): string | undefined {
  if (symbol.type === 'bool') return /^[yn]/.exec(written)?.[0];
  if (symbol.type !== 'string') return written;
  const text = quoted.exec(written)?.[1];
  return text === undefined ? undefined : unescaped(text);
}

function plainText(written: string): string {
  const text = quoted.exec(written)?.[1];
  return text === undefined ? written : unescaped(text);
}

const unescaped = (text: string) => text.replaceAll(/\\(.)/gs, '$1');
const escaped = (text: string) => text.replaceAll(/["\\]/g, '\\$&');

function exampleOf({ name, type }: OptionSymbol): string {
  const examples: Partial<Record<typeof type, string>> = { bool: 'y', string: '"text"', int: '4', hex: '0x4' };
  return `write CONFIG_${name}=${examples[type] ?? 'y'}`;
}

/** The line of an option; '' where .config has none of it. */
export function configLine(configuration: Configuration, symbol: OptionSymbol): string {
  const { text, isWritten } = configuration.value(symbol);
  if (!isWritten) return '';
  if (symbol.type === 'string') return `CONFIG_${symbol.name}="${escaped(text)}"\n`;
  if (symbol.type === 'bool' && text === 'n') return `# CONFIG_${symbol.name} is not set\n`;
  return `CONFIG_${symbol.name}=${text}\n`;
}
