import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fingerprintOf } from '../../src/plan/fingerprint.ts';
import { inputLine, manifestText, type FileInput, type OtherInput } from '../../src/plan/input.ts';
import { packInputs } from '../../src/store/input-blob.ts';

const others: OtherInput[] = [
  { kind: 'platform', value: 'linux/amd64' },
  { kind: 'arg', stage: 0, name: 'A', value: null },
  { kind: 'arg', stage: 0, name: 'A', value: null },
];
const files: FileInput[] = ['a', 'b "c"', 'd\n', 'é\uD800'].map((path) => ({
  kind: 'file',
  path,
  mode: '100644',
  hash: '0'.repeat(40),
}));

test('the stored list is zstd of the text whose sha256 is the fingerprint', async () => {
  const text = execFileSync('zstd', ['-dcq'], { input: await packInputs([...others, ...files]) });
  expect(createHash('sha256').update(text).digest('hex')).toBe(fingerprintOf(others, files));
});

test('the order of what is no file, and what comes twice, do not matter', () => {
  expect(fingerprintOf(others.toReversed(), files)).toBe(fingerprintOf(others.slice(0, 2), files));
});

test('a line is JSON with sorted keys, whatever a path holds', () => {
  const paths = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\uD800', '"', '\\', '\u0007', '\u2028'));
  fc.assert(
    fc.property(paths, (path) => {
      const line = inputLine({ ...files[0]!, path });
      expect(line).toBe(JSON.stringify({ hash: '0'.repeat(40), kind: 'file', mode: '100644', path }));
    }),
  );
});

test('a long list comes in blocks', () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({
    ...files[0]!,
    path: `file${String(index).padStart(4, '0')}`,
  }));
  const blocks = [...manifestText(others, many)];
  expect(blocks.length).toBeGreaterThan(2);
  expect(blocks.join('').split('\n')).toHaveLength(2 + 5000 + 1);
});
