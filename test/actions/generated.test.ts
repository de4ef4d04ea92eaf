import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { actionTables, replaceBetween } from '../../scripts/generate/action-tables.ts';
import { pinned, olderVariant } from '../../scripts/generate/workflow-files.ts';
import { generate, staleFiles } from '../../scripts/generate.ts';

const root = path.resolve(import.meta.dirname, '../..');

test('every generated file is what its source gives, and a stale one is found', async () => {
  const files = await generate(root);
  expect(await staleFiles(root, files)).toEqual([]);
  const changed = files.map((file, index) => (index === 0 ? { ...file, content: 'other' } : file));
  expect(await staleFiles(root, changed)).toEqual([files[0]!.path]);
});

describe('actions of others', () => {
  const pins = { 'actions/checkout': { version: 'v7.0.1', commit: 'c'.repeat(40) } };

  test('are pinned by commit, with the version beside it', () => {
    expect(pinned('      - uses: actions/checkout@v7.0.1\n', pins, 'x.yml')).toBe(
      `      - uses: actions/checkout@${'c'.repeat(40)} # v7.0.1\n`,
    );
  });

  test('are refused in another version than the one that is pinned, or without a pin', () => {
    expect(() => pinned('uses: actions/checkout@v6', pins, 'x.yml')).toThrow(/has the commit of v7\.0\.1/);
    expect(() => pinned('uses: actions/cache@v4', pins, 'x.yml')).toThrow(/actions\/cache is not in/);
  });
});

test('references to ourselves are by version in the variant for runners that do not know `$/`', () => {
  const text = 'uses: $/build-layer\n- uses: $/.github/workflows/ota.yml\nrun: echo $/x\n';
  expect(olderVariant(text, 'v1.2.3')).toBe(
    'uses: org/imgbuild/build-layer@v1.2.3\n- uses: org/imgbuild/.github/workflows/ota.yml@v1.2.3\nrun: echo $/x\n',
  );
});

test('a queue of waiting runs stays out of the variant for servers that do not know it', () => {
  const text = 'concurrency:\n  group: x\n  queue: max\n\njobs:\n';
  expect(olderVariant(text, 'v1.2.3')).toBe('concurrency:\n  group: x\n\njobs:\n');
});

test('tables name what is required and what is preset', () => {
  const tables = actionTables({
    name: 'x',
    description: 'y',
    inputs: { a: { description: 'first\n| pipe', required: true }, b: { description: 'second', default: 'z' } },
    outputs: { c: { description: 'third' } },
  });
  expect(tables).toContain('| `a` | **required** | first \\| pipe |');
  expect(tables).toContain('| `b` | `z` | second |');
  expect(tables).toContain('| `c` | third |');
});

test('a page without its marks is named', () => {
  expect(() => replaceBetween('text', 'reference', 'x', 'docs/x.md')).toThrow(/docs\/x\.md has no lines/);
});
