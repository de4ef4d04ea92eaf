import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkConfig } from '../../src/config/check.ts';
import { Failure } from '../../src/failure.ts';
import { parseLock } from '../../src/lock/lock-file.ts';
import { parseRelease } from '../../src/release/release-json.ts';

const valid = `${readFileSync(new URL('../../examples/ccai/imgbuild.yaml', import.meta.url), 'utf8')}
models:
  ocr: { files: [models/*], license: Apache-2.0 }
  yolo: { source: [{ url: "https://e.org/y.bin", sha256: ${'ab'.repeat(32)} }], convert: { command: [a, "\${source}"], outputs: [b] } }
  mood: { source: { oci: "ghcr.io/a/b:1", sha256: ${'ab'.repeat(32)} }, targets: [deb] }
args: &a { A: "1" }
ota: {}
`;
const words = [
  '{',
  '}',
  '[',
  ']',
  ':',
  ': ',
  '- ',
  '\n',
  '  ',
  '\t',
  '"',
  "'",
  '*a',
  '&a ',
  '<<: ',
  '#',
  '!!x ',
  '? ',
  '|',
  '0x1',
  'null',
  '~',
  '__proto__',
  'constructor',
  '\u0000',
  '\uFEFF',
  'é',
  '😀',
  '../',
  '/',
  '---\n',
  '...\n',
  '%YAML 1.1\n',
  '1',
  'true',
  ',',
];
const edit = fc.record({
  at: fc.nat(valid.length),
  remove: fc.nat(12),
  insert: fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 4 })),
});

test('whatever is written, every error is one for the user, at a place that is in the file', () => {
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let text = valid;
      for (const { at, remove, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + remove);
      const { config, failures } = checkConfig(text, '/r/imgbuild.yaml');
      if (failures.length === 0) expect(config).toBeDefined();
      const rows = text.split('\n');
      for (const { at, because, kind } of failures) {
        expect(kind).toBe('input');
        expect(because).not.toBe('');
        expect(rows[at!.line - 1]!.replace(/\r$/, '')).toBe(at!.text);
        expect(at!.column).toBeGreaterThanOrEqual(1);
        expect(at!.length).toBeGreaterThanOrEqual(1);
        expect(at!.column - 1).toBeLessThanOrEqual(at!.text.length);
      }
    }),
    { numRuns: 300 },
  );
});

test('any JSON in place of the file is told what is wrong', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (json) => {
      expect(checkConfig(json, '/r/imgbuild.yaml').failures.length).toBeGreaterThan(0);
    }),
    { numRuns: 200 },
  );
});

test('a lock of any bytes is read or refused at its line', () => {
  const line = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({ base: fc.string(), from: fc.string(), index: fc.constant(null), platforms: fc.object() })
      .map((value) => JSON.stringify(value)),
    fc.record({ epoch: fc.anything(), value: fc.anything() }).map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
      try {
        parseLock(lines.join('\n'));
      } catch (error) {
        expect(error).toBeInstanceOf(Failure);
        expect((error as Failure).at!.line).toBeGreaterThan(0);
      }
    }),
    { numRuns: 300 },
  );
});

test('a release.json of any bytes is read or refused', () => {
  const release = fc.record({
    schema: fc.constant(1),
    name: fc.string(),
    version: fc.string(),
    images: fc.array(fc.object()),
  });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        release.map((value) => JSON.stringify(value)),
      ),
      (text) => {
        expect(() => parseRelease(Buffer.from(text))).toThrow(RangeError);
      },
    ),
    { numRuns: 200 },
  );
});
