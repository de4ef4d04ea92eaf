import * as z from 'zod';
import { Failure, type SourceLocation } from '../failure.ts';
import { didYouMean } from './did-you-mean.ts';
import type { DataPath, YamlSource } from './yaml-source.ts';

/** Turns what zod found into failures that say where and what to write instead. */
export function failuresOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, source: YamlSource, file: string) {
  const misspelt = misspeltKeys(issues, schema, source.data);
  return issues.flatMap((issue) =>
    misspelt.has(issue.path.join('\0')) ? [] : failuresOfIssue(issue, schema, source, file),
  );
}

/** Paths of keys that are missing because they are misspelt: that there is no such key says it all. */
function misspeltKeys(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, data: unknown): Set<string> {
  const missing = issues.filter(
    ({ code, path }) =>
      (code === 'invalid_type' || code === 'invalid_value') && valueAt(data, path as DataPath) === undefined,
  );
  const unknown = issues.filter((issue) => issue.code === 'unrecognized_keys');
  const meant = unknown.flatMap(({ path, keys }) => {
    const known = knownKeys(schemaAt(schema, path as DataPath));
    return keys.map((key) => [...path, didYouMean(key, known)].join('\0'));
  });
  return new Set(missing.map(({ path }) => path.join('\0')).filter((path) => meant.includes(path)));
}

export function wrongAt(file: string, at: SourceLocation, because: string, fix: string | undefined): Failure {
  return new Failure({ doing: `reading ${file}`, because, kind: 'input', at, ...(fix === undefined ? {} : { fix }) });
}

function failuresOfIssue(issue: z.core.$ZodIssue, schema: z.ZodType, source: YamlSource, file: string): Failure[] {
  const path = issue.path as (string | number)[];
  const last = path.at(-1);
  const here = (because: string, fix?: string, part: 'key' | 'value' = 'value') => [
    wrongAt(file, source.locate(path, part), because, fix),
  ];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = knownKeys(schemaAt(schema, path));
      return issue.keys.map((unknown) =>
        wrongAt(
          file,
          source.locate([...path, unknown], 'key'),
          `there is no key ${JSON.stringify(unknown)} ${placeOf(path)}`,
          unknownKeyFix(unknown, known),
        ),
      );
    }
    case 'invalid_key': {
      const inner = issue.issues[0]!;
      return here(inner.message, fixOf(inner), 'key');
    }
    case 'custom':
      return here(issue.message, fixOf(issue));
    case 'invalid_type': {
      const example = exampleAt(schema, path);
      const value = valueAt(source.data, path);
      const hint =
        example === undefined
          ? undefined
          : `write, for example, ${typeof last === 'string' ? `${last}: ` : ''}${example}`;
      if (value === undefined) {
        const parent = path.slice(0, -1);
        const at = source.locate(parent, 'key');
        return [wrongAt(file, at, `the key ${JSON.stringify(last)} is missing ${placeOf(parent)}`, hint)];
      }
      if (value === null) return here(`nothing stands after ${last}:`, hint ?? nullFix(issue.expected), 'key');
      const written = source.written(path);
      if (issue.expected === 'string' && written !== undefined) {
        return here(
          `YAML reads ${written} as a ${typeof value}, and a text is needed`,
          `write "${written}", in quotes`,
        );
      }
      return here(`${expectedName(issue.expected)} is needed, not ${kindOf(value)}`, hint);
    }
    case 'invalid_value': {
      const value = valueAt(source.data, path);
      const choices = issue.values.map(String);
      if (value === undefined) {
        const parent = path.slice(0, -1);
        const fix = `write ${String(last)}: ${choices.join(' or ')}`;
        return [
          wrongAt(
            file,
            source.locate(parent, 'key'),
            `the key ${JSON.stringify(last)} is missing ${placeOf(parent)}`,
            fix,
          ),
        ];
      }
      const near = didYouMean(String(value), choices);
      const because = `${JSON.stringify(value)} is not a value of ${String(last)}`;
      return here(
        because,
        near === undefined ? `write ${choices.join(', ')}` : `did you mean ${near}? It takes ${choices.join(', ')}`,
      );
    }
    case 'invalid_union': {
      // A map or a list of maps: what is wrong is told of the form that was written.
      const list = Array.isArray(valueAt(source.data, path));
      const options = unionAt(schema, path);
      const inner = issue.errors[options.findIndex((option) => bare(option) instanceof z.ZodArray === list)] ?? [];
      const told = inner.map((each) => ({ ...each, path: [...path, ...each.path] }) as z.core.$ZodIssue);
      return told.flatMap((each) => failuresOfIssue(each, schema, source, file));
    }
    case 'too_small':
      return here(issue.origin === 'string' ? 'the text is empty' : 'the list is empty', 'write one at least');
    default:
      return here(issue.message);
  }
}

function unknownKeyFix(unknown: string, known: string[]): string {
  if (unknown === '<<') return 'write the keys out: merge keys are not read';
  const near = didYouMean(unknown, known);
  if (near !== undefined) return `did you mean ${near}?`;
  return known.length === 0 ? 'remove it' : `remove it, or write one of ${known.join(', ')}`;
}

function fixOf(issue: z.core.$ZodIssue): string | undefined {
  return issue.code === 'custom' ? (issue.params?.fix as string | undefined) : undefined;
}

function placeOf(path: DataPath): string {
  return path.length === 0 ? 'at the top' : `in ${path.join('.')}`;
}

function nullFix(expected: string): string {
  return expected === 'array' ? 'write [] or remove the line' : 'write {} or remove the line';
}

function expectedName(expected: string): string {
  const names: Record<string, string> = {
    object: 'a map (KEY: VALUE lines)',
    record: 'a map (KEY: VALUE lines)',
    array: 'a list (- ITEM lines)',
    boolean: 'true or false',
    string: 'a text',
    number: 'a number',
  };
  return names[expected] ?? expected;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return `the text ${JSON.stringify(value)}`;
  return `the ${typeof value} ${String(value)}`;
}

function valueAt(data: unknown, path: DataPath): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[String(step)];
  }
  return value;
}

function knownKeys(schema: z.ZodType | undefined): string[] {
  const maps = schema instanceof z.ZodUnion ? (schema.options as z.ZodType[]).map(bare) : [schema];
  return maps.flatMap((each) => (each instanceof z.ZodObject ? Object.keys(each.shape) : []));
}

function exampleAt(schema: z.ZodType, path: DataPath): string | undefined {
  const found = schemaAt(schema, path, true);
  const examples = found?.meta()?.examples;
  return Array.isArray(examples) ? String(examples[0]) : undefined;
}

/** The schema of what stands at the path; `outer` keeps the wrappers (default, optional) of its last step. */
function schemaAt(schema: z.ZodType, path: DataPath, outer = false): z.ZodType | undefined {
  let found: z.ZodType | undefined = schema;
  for (const step of path) {
    const inner: z.ZodType | undefined = found && bare(found);
    if (inner instanceof z.ZodObject) found = inner.shape[String(step)] as z.ZodType | undefined;
    else if (inner instanceof z.ZodRecord) found = inner.valueType as z.ZodType;
    else if (inner instanceof z.ZodArray) found = inner.element as z.ZodType;
    else if (inner instanceof z.ZodUnion) found = memberAt(inner, step);
    else return undefined;
  }
  if (!found) return undefined;
  if (!outer) return bare(found);
  for (let each: z.ZodType | undefined = found; each; each = wrapped(each)) if (each.meta()?.examples) return each;
  return bare(found);
}

/** What stands at the step in the one of a map and a list that has such steps. */
function memberAt(union: z.ZodUnion, step: string | number): z.ZodType | undefined {
  const options = (union.options as z.ZodType[]).map(bare);
  const list = options.find((option) => option instanceof z.ZodArray);
  if (typeof step === 'number') return list?.element as z.ZodType | undefined;
  const map = options.find((option) => option instanceof z.ZodObject);
  return map?.shape[step] as z.ZodType | undefined;
}

function unionAt(schema: z.ZodType, path: DataPath): z.ZodType[] {
  const found = schemaAt(schema, path);
  return found instanceof z.ZodUnion ? (found.options as z.ZodType[]) : [];
}

function wrapped(schema: z.ZodType): z.ZodType | undefined {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return schema.def.innerType as z.ZodType;
  if (schema instanceof z.ZodPipe) return schema.def.in as z.ZodType;
  return undefined;
}

function bare(schema: z.ZodType): z.ZodType {
  const inner = wrapped(schema);
  return inner ? bare(inner) : schema;
}
