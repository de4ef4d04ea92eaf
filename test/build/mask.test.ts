import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maskFor, maskOf } from '../../src/build/mask.ts';
import type { BuildEvent } from '../../src/engine/engine.ts';
import { Failure } from '../../src/failure.ts';

function printed(values: string[], pieces: string[]): string {
  const events: BuildEvent[] = [];
  const onEvent = maskOf(values).events((event) => events.push(event));
  onEvent({ kind: 'step-started', id: '1', name: 'RUN', cached: false });
  for (const text of pieces) onEvent({ kind: 'log', id: '1', text });
  onEvent({ kind: 'step-done', id: '1', cached: false });
  expect(events.at(-1)).toMatchObject({ kind: 'step-done' });
  return events.map((event) => (event.kind === 'log' ? event.text : '')).join('');
}

test('a secret that a step prints is not told, also where it comes in pieces', () => {
  expect(printed(['token-53'], ['my token-53 is', ' tok', 'en-', '53\n', 'and token-5'])).toBe(
    'my *** is ***\nand token-5',
  );
  expect(printed(['secret', 'secret-longer'], ['secret-longer'])).toBe('***');
});

test('whatever is printed around a secret and however it is cut, only the secret is missing', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n') });
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.nat(40)), (around, cuts) => {
      const value = 'abbaab';
      const whole = around.join(value);
      const points = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).toSorted((a, b) => a - b), whole.length];
      const pieces = points.slice(1).map((end, index) => whole.slice(points[index], end));
      const shown = printed([value], pieces);
      expect(shown).not.toContain(value);
      expect(shown).toBe(whole.replaceAll(value, '***'));
    }),
  );
});

test('each line of a file is a secret, short ones aside; so is what an error says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-mask-'));
  try {
    writeFileSync(join(folder, 'key.json'), '{\n  "key": "first-line-53",\n  "user": "second-line"\n}\n');
    const mask = await maskFor(
      [
        { id: 'key', from: 'file', path: join(folder, 'key.json') },
        { id: 'token', from: 'env', name: 'TOKEN' },
        { id: 'none', from: 'env', name: 'NONE' },
      ],
      { TOKEN: ' token-53 ' },
    );
    const because = 'RUN cat failed:\n{\n"key": "first-line-53",\ntoken-53';
    const failure = mask.error(new Failure({ doing: 'building', because, fix: 'mend it' })) as Failure;
    expect(failure).toMatchObject({ doing: 'building', because: 'RUN cat failed:\n{\n***\n***', fix: 'mend it' });
    const other = new Error('token-53');
    expect(mask.error(other)).toBe(other);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
