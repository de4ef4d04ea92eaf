import { Failure } from '../../src/failure.ts';
import { readConfig } from '../../src/kconfig/dot-config.ts';
import { readKconfig } from '../../src/kconfig/read.ts';
import type { ReadSource } from '../../src/kconfig/sources.ts';
import type { Kconfig, MenuNode } from '../../src/kconfig/tree.ts';
import { configText, minimalText } from '../../src/kconfig/write-config.ts';
import { randomFrom } from '../agreement/random.ts';
import { randomKconfig, type KconfigCase } from './generate.ts';
import type { Answer, Kconfiglib, Outcome } from './kconfiglib.ts';

export function sourcesOf(files: Record<string, string>): ReadSource {
  return (path) => (Object.hasOwn(files, path) ? { kind: 'file', path, text: files[path]! } : { kind: 'missing' });
}

/** What we make of a case, in the words of the judge. */
export function ownAnswer({ files, configs }: KconfigCase): Answer {
  try {
    const kconfig = readKconfig('Kconfig', sourcesOf(files));
    return { shape: shapeOf(kconfig.root), outcomes: configs.map((config) => outcomeOf(kconfig, config)) };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { error: error.message };
  }
}

function outcomeOf(kconfig: Kconfig, text: string): Outcome {
  const { configuration, unknown } = readConfig(text, '.config', kconfig);
  const { defined, choices } = kconfig;
  const each = <T>(of: (symbol: (typeof defined)[number]) => T) =>
    Object.fromEntries(defined.map((symbol) => [symbol.name, of(symbol)]));
  return {
    values: each((symbol) => configuration.value(symbol).text),
    visibility: each((symbol) => configuration.visibility(symbol)),
    assignable: each((symbol) => [...configuration.assignable(symbol)]),
    selections: choices.map((choice) => configuration.selection(choice)?.name ?? null),
    missing: unknown.map(({ name }) => name),
    config: configText(configuration),
    minimal: minimalText(configuration),
  };
}

function shapeOf(node: MenuNode, depth = 0): string[] {
  return node.children.flatMap((child) => {
    const { item } = child;
    const name = typeof item === 'string' ? item : item.kind === 'symbol' ? item.name : 'choice';
    return [`${depth} ${name}`, ...shapeOf(child, depth + 1)];
  });
}

/** Where the two differ; empty when they agree. */
export function differences(own: Answer, theirs: Answer): string[] {
  if ('error' in own || 'error' in theirs) {
    if ('error' in own && 'error' in theirs) return [];
    return [`we say ${'error' in own ? own.error : 'it is fine'}, they ${'error' in theirs ? theirs.error : 'do not'}`];
  }
  const found = JSON.stringify(own.shape) === JSON.stringify(theirs.shape) ? [] : ['the menu has another shape'];
  for (const [index, outcome] of own.outcomes.entries()) {
    const other = theirs.outcomes[index]!;
    for (const key of Object.keys(other) as (keyof Outcome)[]) {
      const [a, b] = [outcome[key], other[key]].map((value) =>
        key === 'missing' ? JSON.stringify([...new Set(value as string[])].toSorted()) : JSON.stringify(value),
      );
      if (a !== b) found.push(`configuration ${index}, ${key}:\n  ${a}\n  ${b}`);
    }
  }
  return found;
}

export interface Comparison {
  failures: string[];
  configurations: number;
  refused: number;
}

/** Generates trees from the seed and compares what both make of them. */
export async function compareMany(kconfiglib: Kconfiglib, seed: number, count: number): Promise<Comparison> {
  const cases = Array.from({ length: count }, (_, index) => randomKconfig(randomFrom(seed + index), 4));
  const answers = await kconfiglib.answer(cases);
  const result: Comparison = { failures: [], configurations: 0, refused: 0 };
  for (const [index, each] of cases.entries()) {
    const theirs = answers[index]!;
    const own = ownAnswer(each);
    if ('error' in theirs) result.refused += 1;
    else result.configurations += each.configs.length;
    for (const difference of differences(own, theirs)) result.failures.push(`seed ${seed + index}: ${difference}`);
  }
  return result;
}
