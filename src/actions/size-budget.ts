import { parseBytes } from '../config/size.ts';
import type { DeltaReport } from '../delta/make.ts';
import { formatBytes } from '../report/progress.ts';
import { textInput, wrongInput } from './inputs.ts';

/** What a delta may have at most. */
export interface SizeBudget {
  /** In bytes. */
  size: number;
  /** Of what a pull would move. */
  ratio: number;
}

/** From the inputs `max-size` and `max-ratio`; no limit where they are empty. Throws a Failure. */
export function sizeBudgetInput(): SizeBudget {
  const text = textInput('max-size');
  const size = text === undefined ? Infinity : parseBytes(text);
  if (size === undefined) {
    throw wrongInput('max-size', `${JSON.stringify(text)} is no size`, 'write bytes, or as in 50MB or 64MiB');
  }
  const ratio = textInput('max-ratio');
  if (ratio !== undefined && !/^[0-9]+(?:\.[0-9]+)?$/.test(ratio)) {
    throw wrongInput('max-ratio', `${JSON.stringify(ratio)} is no number`, 'write a part of a pull, as in 0.5');
  }
  return { size, ratio: ratio === undefined ? Infinity : Number(ratio) };
}

/** What is said of a delta that is larger than it may be; undefined for one that isn't. */
export function overBudget(delta: DeltaReport, budget: SizeBudget): string | undefined {
  const what = `the delta from ${delta.from} to ${delta.to} has ${formatBytes(delta.bytes)}`;
  if (delta.bytes > budget.size) return `${what}, more than max-size (${formatBytes(budget.size)})`;
  if (delta.bytes <= budget.ratio * delta.pullBytes) return undefined;
  const part = delta.pullBytes === 0 ? 'all' : (delta.bytes / delta.pullBytes).toFixed(2);
  return `${what}: ${part} of a pull, more than max-ratio (${budget.ratio})`;
}
