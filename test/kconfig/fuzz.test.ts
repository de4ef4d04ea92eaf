import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { readConfig } from '../../src/kconfig/dot-config.ts';
import { readKconfig } from '../../src/kconfig/read.ts';
import { configText, minimalText } from '../../src/kconfig/write-config.ts';
import { randomFrom } from '../agreement/random.ts';
import { sourcesOf } from './compare.ts';
import { randomKconfig } from './generate.ts';

const words = [
  'config ', 'menuconfig ', 'choice', 'endchoice', 'menu ', 'endmenu', 'if ', 'endif', 'source ', 'comment ', 'help',
  'bool', 'tristate', 'string ', 'int ', 'hex ', 'prompt ', 'default ', 'depends on ', 'select ', 'imply ', 'range ',
  'visible if ', 'optional', 'S0', 'y', 'n', 'm', '"', "'", '\\', '\\\n', '\n', '\t', '\r', '(', ')', '!', '&&', '||',
  '=', '!=', '<', '<=', '$', '$(', '#', '\u0000', '\uFEFF', '漢', '😀', '\uD800', '-', '9'.repeat(400), '0x', '../', '/',
  '__proto__', 'constructor',
]; // prettier-ignore
const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat(12),
  insert: fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })),
});
const edits = fc.array(edit, { minLength: 1, maxLength: 5 });

function edited(text: string, changes: readonly { at: number; remove: number; insert: string }[]): string {
  let result = text;
  for (const { at, remove, insert } of changes) {
    const start = Math.floor(at * result.length);
    result = result.slice(0, start) + insert + result.slice(start + remove);
  }
  return result;
}

/** Reads all there is; what is refused is refused for the user, at a place that is in the file. */
function readAll(files: Record<string, string>, config: string): void {
  try {
    const kconfig = readKconfig('Kconfig', sourcesOf(files));
    const { configuration, unknown, problems } = readConfig(config, '.config', kconfig);
    const text = configText(configuration, unknown);
    // What is written is read as the same.
    const again = readConfig(text, '.config', kconfig);
    expect(configText(again.configuration, again.unknown)).toBe(text);
    minimalText(configuration);
    for (const { at } of [...kconfig.problems, ...problems]) checkPlace(at, { ...files, '.config': config });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    expect(error.kind).toBe('input');
    checkPlace(error.at!, { ...files, '.config': config });
  }
}

function checkPlace(at: NonNullable<Failure['at']>, files: Record<string, string>): void {
  const rows = files[at.file]!.split(/\r\n?|\n/);
  expect(rows[at.line - 1]).toBe(at.text);
  expect(at.column).toBeGreaterThanOrEqual(1);
  expect(at.column - 1).toBeLessThanOrEqual(at.text.length);
  expect(at.length).toBeGreaterThanOrEqual(1);
}

test('whatever a Kconfig and a .config hold, they are read or refused at a place', () => {
  fc.assert(
    fc.property(fc.nat(), edits, edits, (seed, kconfigEdits, configEdits) => {
      const { files, configs } = randomKconfig(randomFrom(seed), 1);
      readAll({ ...files, Kconfig: edited(files['Kconfig']!, kconfigEdits) }, edited(configs[0]!, configEdits));
    }),
    { numRuns: 300 },
  );
});

test('words of the language in any order', () => {
  const text = fc.array(fc.constantFrom(...words, 'config A\n', '\tbool "a"\n', ' A '), { maxLength: 60 });
  fc.assert(
    fc.property(text, (parts) => readAll({ Kconfig: parts.join('') }, parts.join('CONFIG_A='))),
    { numRuns: 500 },
  );
});
