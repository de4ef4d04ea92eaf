import { createInterface, type Interface } from 'node:readline';
import { whyNot } from '../assign.ts';
import type { Configuration } from '../configuration.ts';
import { formatNumber } from '../number.ts';
import type { Choice, MenuNode, OptionSymbol } from '../tree.ts';
import { isValueOf } from '../value.ts';
import { describe } from './describe.ts';
import { choiceOf, isVisible, symbolOf } from './rows.ts';
import { harmless } from './width.ts';

export interface Questions {
  configuration: Configuration;
  layers: ReadonlyMap<string, readonly string[]>;
  input: NodeJS.ReadableStream;
  output: NodeJS.WritableStream;
  signal: AbortSignal;
}

/**
 * Asks for every option that can be set, one line each, for terminals that can do no more. An empty line leaves an option
 * as it is, `?` shows its help, the end of the input leaves all the rest. Resolves with whether to save.
 */
export async function askQuestions(questions: Questions, file: string, isSaved: () => boolean): Promise<boolean> {
  const { configuration, input, output, signal } = questions;
  signal.throwIfAborted();
  const reader = createInterface({ input, output, terminal: false });
  const stop = () => reader.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const lines = new Lines(reader, output);
    output.write(`${harmless(configuration.kconfig.title)}: an empty line keeps a value, ? explains it\n`);
    await askBelow(questions, lines, configuration.kconfig.root, new Set());
    signal.throwIfAborted();
    if (isSaved()) return false;
    const answer = await lines.ask(`Save to ${file}? [Y/n] `);
    signal.throwIfAborted();
    return answer !== undefined && /^(y(es)?)?$/i.test(answer.trim());
  } finally {
    signal.removeEventListener('abort', stop);
    reader.close();
  }
}

/** The lines of the input, one at a time; none is lost between two questions. */
class Lines {
  readonly #lines: AsyncIterator<string>;
  readonly #output: NodeJS.WritableStream;

  constructor(reader: Interface, output: NodeJS.WritableStream) {
    this.#lines = reader[Symbol.asyncIterator]();
    this.#output = output;
  }

  write(text: string): void {
    this.#output.write(`${text}\n`);
  }

  /** Undefined at the end of the input. */
  async ask(question: string): Promise<string | undefined> {
    this.#output.write(question);
    const { value, done } = await this.#lines.next();
    if (done !== true) return value;
    this.#output.write('\n');
    return undefined;
  }
}

/** False when the input has ended. What an answer makes visible is asked next. */
async function askBelow(
  questions: Questions,
  lines: Lines,
  page: MenuNode,
  asked: Set<OptionSymbol | Choice>,
): Promise<boolean> {
  const { configuration } = questions;
  for (const node of page.children) {
    const { item } = node;
    const symbol = symbolOf(node);
    const choice = choiceOf(node);
    if (isVisible(configuration, node)) {
      if (item === 'menu' || item === 'comment') lines.write(`\n${harmless(node.prompt!.text)}`);
      if (choice && !asked.has(choice)) {
        asked.add(choice);
        if (!(await askChoice(questions, lines, node, choice))) return false;
      }
      if (symbol && !symbol.choice && !asked.has(symbol)) {
        asked.add(symbol);
        if (!(await askSymbol(questions, lines, node, symbol))) return false;
      }
    }
    if (!(await askBelow(questions, lines, node, asked))) return false;
  }
  return true;
}

async function askSymbol(
  { configuration, layers }: Questions,
  lines: Lines,
  node: MenuNode,
  symbol: OptionSymbol,
): Promise<boolean> {
  if (symbol.type === 'unknown') return true;
  if (symbol.type === 'bool' && configuration.assignable(symbol).length < 2) return true;
  for (;;) {
    const answer = await lines.ask(
      `  ${harmless(node.prompt!.text)} (${symbol.name}) ${hintOf(configuration, symbol)} `,
    );
    if (answer === undefined) return false;
    const text = symbol.type === 'string' ? answer : answer.trim();
    if (text === '') return true;
    if (text === '?') {
      for (const line of describe(configuration, node, layers)) lines.write(`    ${harmless(line)}`);
      continue;
    }
    const value = symbol.type === 'bool' ? text.toLowerCase().replace(/^(y|n)(es|o)$/, '$1') : text;
    if (!isValueOf(symbol, value)) {
      lines.write(`    ${JSON.stringify(text)} is no value of the type ${symbol.type}`);
      continue;
    }
    const trial = configuration.copy();
    trial.set(symbol, value);
    const refused = whyNot(trial, symbol, value);
    if (!refused) {
      configuration.set(symbol, value);
      return true;
    }
    lines.write(`    ${refused.because}`);
  }
}

function hintOf(configuration: Configuration, symbol: OptionSymbol): string {
  const { text } = configuration.value(symbol);
  if (symbol.type === 'bool') return text === 'y' ? '[Y/n/?]' : '[N/y/?]';
  const range = configuration.range(symbol);
  const type = symbol.type === 'hex' ? 'hex' : 'int';
  const limits = range ? `${formatNumber(range.low, type)} to ${formatNumber(range.high, type)}, ` : '';
  return `(${limits}now ${harmless(text) || 'empty'})`;
}

async function askChoice(
  { configuration, layers }: Questions,
  lines: Lines,
  node: MenuNode,
  choice: Choice,
): Promise<boolean> {
  const open = choice.symbols.filter((symbol) => configuration.visibility(symbol) > 0);
  if (open.length === 0 || configuration.mode(choice) === 0) return true;
  lines.write(`  ${harmless(node.prompt!.text)}`);
  const selected = configuration.selection(choice);
  for (const [index, symbol] of open.entries()) {
    const prompt = symbol.nodes.find((each) => each.prompt)?.prompt?.text ?? symbol.name;
    lines.write(`  ${symbol === selected ? '>' : ' '} ${index + 1}. ${harmless(prompt)} (${symbol.name})`);
  }
  for (;;) {
    const answer = (
      await lines.ask(`  1 to ${open.length}, now ${selected ? open.indexOf(selected) + 1 : 'none'}: `)
    )?.trim();
    if (answer === undefined) return false;
    if (answer === '') return true;
    const picked = /^\d+$/.test(answer) ? open[Number(answer) - 1] : undefined;
    if (picked) {
      configuration.set(picked, 'y');
      return true;
    }
    if (answer === '?') for (const line of describe(configuration, node, layers)) lines.write(`    ${harmless(line)}`);
    else lines.write(`    write a number from 1 to ${open.length}`);
  }
}
