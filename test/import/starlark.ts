import { Evaluation } from '../../src/import/starlark/evaluate.ts';
import { parseStarlark } from '../../src/import/starlark/parse.ts';
import { SourceText } from '../../src/import/starlark/source.ts';
import type { Value } from '../../src/import/starlark/values.ts';
import { Failure } from '../../src/failure.ts';

/** What JSON has for a value of a build file. */
export function plain(value: Value): unknown {
  if (value === null || typeof value !== 'object') return value;
  switch (value.kind) {
    case 'list':
    case 'tuple':
      return value.items.map(plain);
    case 'dict':
      return Object.fromEntries([...value.entries.values()].map(([key, item]) => [String(plain(key)), plain(item)]));
    default:
      return `<${value.kind} ${value.name}>`;
  }
}

/** The variable `x` after a text has run. */
export function valueOfX(text: string): unknown {
  const names = new Evaluation(new Map()).run(parseStarlark(new SourceText('t.envd', text)));
  return plain(names.get('x') ?? null);
}

/** `LINE:COLUMN: WHAT` of the failure; undefined where there is none. */
export function failureOf(text: string): string | undefined {
  try {
    valueOfX(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `${error.at!.line}:${error.at!.column}: ${error.because}`;
  }
}
