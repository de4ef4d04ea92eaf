import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { parseDockerfile, type Dockerfile } from '../../src/dockerfile/parse.ts';
import { evaluate, noTraits, setVariable, variablesOf } from '../../src/dockerfile/variables.ts';
import { Failure } from '../../src/failure.ts';
import { build } from './buildkit.ts';

/** Only a current BuildKit knows all modifiers. */
const engine = inject('engines').current;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'imgbuild-words-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const head = 'FROM scratch\nENV x=value empty= path=/usr/lib/libfoo.so.1 word=banana two="a b"\n';

/** Labels as we read them; undefined where we refuse the file. */
function ourLabels(source: string): Record<string, string> | undefined {
  try {
    return labelsOf(parseDockerfile(source, 'Dockerfile'));
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

function labelsOf(dockerfile: Dockerfile): Record<string, string> {
  const variables = variablesOf(noTraits);
  const labels: Record<string, string> = {};
  for (const instruction of dockerfile.instructions) {
    if (instruction.operands.form !== 'pairs') continue;
    for (const { name, value } of instruction.operands.pairs) {
      const word = evaluate(dockerfile, instruction, value, variables);
      if (instruction.keyword === 'ENV') setVariable(variables, name, word);
      else labels[evaluate(dockerfile, instruction, name, variables).text] = word.text;
    }
  }
  return labels;
}

async function theirLabels(source: string): Promise<Record<string, string> | undefined> {
  if (!engine.available) throw new Error(engine.because);
  const dockerfile = path.join(folder, 'Dockerfile');
  await writeFile(dockerfile, source);
  const built = await build(engine, { context: folder, dockerfile, args: {}, tag: 'words:1' });
  return built.kind === 'refused' ? undefined : ((built.image.config['Labels'] as Record<string, string> | null) ?? {});
}

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '$x',
      '${x}',
      '${none}',
      '$none',
      '$two',
      '$',
      '\\',
      '\\\\',
      '"',
      '""',
      "'",
      "''",
      '\\$x',
      '\\"',
      ' ',
      'é',
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        fc.constantFrom('x', 'empty', 'path', 'word', 'none', 'two'),
        fc.constantFrom(':-', '-', ':+', '+', ':?', '?', '#', '##', '%', '%%', '/', '//'),
        fc.constantFrom('', 'an', 'a*', '*a', '/*', '*/', '?', '.*', '$word', '\\*', '${x:-y}', 'a/b', 'a//', '*/$x'),
      )
      .map(([name, operator, word]) => `\${${name}${operator}${word}}`),
  },
  { weight: 2, arbitrary: fc.stringMatching(/^[a-z${}"'\\/:#%<>*]{1,3}$/) },
);
const word = fc
  .array(piece, { minLength: 1, maxLength: 5 })
  .map((pieces) => pieces.join(''))
  // A word that ends with a backslash would take the next line along.
  .filter((text) => !/\\\s*$/.test(text));

test.skipIf(!engine.available)('words expand as BuildKit expands them', async () => {
  const words = fc.sample(word, { numRuns: 400, seed: 1 });
  const line = (one: string, index: number) => `LABEL "l${index}"=${one}`;
  const taken: string[] = [];
  const refused: string[] = [];
  for (const one of words) (ourLabels(`${head}${line(one, 0)}\n`) ? taken : refused).push(one);
  expect(taken.length).toBeGreaterThan(150);
  expect(refused.length).toBeGreaterThan(40);

  const together = `${head}${taken.map(line).join('\n')}\n`;
  const theirs = await theirLabels(together);
  if (theirs === undefined) {
    // One of them is wrong: say which.
    for (const [index, one] of taken.entries()) {
      expect(await theirLabels(`${head}${line(one, index)}\n`), one).toEqual(ourLabels(`${head}${line(one, index)}\n`));
    }
  }
  expect(ourLabels(together)).toEqual(theirs);
  for (const one of refused.slice(0, 20)) expect(await theirLabels(`${head}${line(one, 0)}\n`), one).toBeUndefined();
});

test.skipIf(!engine.available)('lines are joined, and heredocs found, as BuildKit does it', async () => {
  const pieces = fc.array(
    fc.constantFrom(
      'a',
      'b=c',
      ' ',
      '  ',
      '\\\n',
      ' \\\n',
      ' \\ \n',
      '\\\\\n',
      '# c\n',
      '\n',
      '\t# d \\\n',
      '"',
      "'",
      '<<E',
      '\nE\n',
      '\n x\n',
      'LABEL k=v',
      'label m="n o"',
      '\r\n',
      '\\\r\n',
    ),
    { minLength: 2, maxLength: 14 },
  );
  const files = fc
    .sample(pieces, { numRuns: 2000, seed: 2 })
    .map((some) => `FROM scratch\nLABEL one=1 ${some.join('')}\nLABEL last=2\n`);
  const unlike: string[] = [];
  let same = 0;
  const taken = files.filter((file) => ourLabels(file) !== undefined).slice(0, 20);
  const refused = files.filter((file) => ourLabels(file) === undefined).slice(0, 20);
  for (const file of [...taken, ...refused]) {
    const theirs = await theirLabels(file);
    if (JSON.stringify(sorted(theirs)) === JSON.stringify(sorted(ourLabels(file)))) same++;
    else
      unlike.push(`${JSON.stringify(file)}: BuildKit ${JSON.stringify(theirs)}, we ${JSON.stringify(ourLabels(file))}`);
  }
  expect(unlike).toEqual([]);
  expect(same).toBe(40);
});

const sorted = (labels: Record<string, string> | undefined) => labels && Object.entries(labels).toSorted();
