import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { artifactFingerprint, type ArtifactInput } from '../../src/artifact/input.ts';
import { artifactReasons } from '../../src/artifact/reasons.ts';
import { describeReason } from '../../src/report/reason.ts';

const sum = (letter: string) => letter.repeat(64);
const before: ArtifactInput[] = [
  { kind: 'artifact', type: 'application/x' },
  { kind: 'tool', name: 'packer', version: '1' },
  { kind: 'file', path: 'models/yolo.bin', to: 'yolo.bin', sha256: sum('a') },
  { kind: 'file', path: 'models/run.sh', to: 'run.sh', mode: '0644', sha256: sum('b') },
  { kind: 'source', path: 'big.bin', from: 'https://a/big.bin', sha256: sum('c') },
  { kind: 'field', name: 'license', value: 'MIT' },
  { kind: 'command', argv: ['python3', 'to_ir.py'] },
  { kind: 'parent', name: 'service', digest: `sha256:${sum('d')}` },
];
const change = (index: number, more: object) =>
  before.map((input, at) => (at === index ? ({ ...input, ...more } as ArtifactInput) : input));
const told = (after: ArtifactInput[]) => artifactReasons(before, after).map(describeReason);

describe('what changed is told by name', () => {
  test.each([
    ['a file', change(2, { sha256: sum('e') }), ['models/yolo.bin changed']],
    ['a mode', change(3, { mode: '0755' }), ['models/run.sh: mode 0644 → 0755']],
    ['a source’s bytes', change(4, { sha256: sum('e') }), ['big.bin changed']],
    ['a source’s address', change(4, { from: 'https://b/' }), ['source of big.bin: https://a/big.bin → https://b/']],
    ['metadata', change(5, { value: 'Apache-2.0' }), ['license: MIT → Apache-2.0']],
    ['a command', change(6, { argv: ['python3', 'other.py'] }), ['python3 to_ir.py → python3 other.py']],
    ['a parent', change(7, { digest: `sha256:${sum('e')}` }), ['parent service changed']],
    ['the tool', change(1, { version: '2' }), ['packer: 1 → 2']],
    ['a file less', before.toSpliced(2, 1), ['models/yolo.bin removed']],
    ['a file more', [...before, { kind: 'file', path: 'n', to: 'n', sha256: sum('f') }], ['n added']],
    ['a license more', [...before, { kind: 'field', name: 'format', value: 'onnx' }], ['format: onnx added']],
    ['nothing', before.toReversed(), []],
  ] as [string, ArtifactInput[], string[]][])('%s', (_, after, reasons) => {
    expect(told(after)).toEqual(reasons);
  });
});

test('two lists have one fingerprint exactly when no reason tells them apart', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const input: fc.Arbitrary<ArtifactInput> = fc.oneof(
    fc.record({ kind: fc.constant('file' as const), path: name, to: name, sha256: name }),
    fc.record({ kind: fc.constant('source' as const), path: name, from: name, sha256: name }),
    fc.record({ kind: fc.constant('field' as const), name, value: name }),
    fc.record({ kind: fc.constant('tool' as const), name, version: name }),
  );
  // One input for a key, as rooms make them.
  const list = fc.uniqueArray(input, {
    selector: ({ kind, ...rest }) => {
      const { path, to, name: own } = rest as { path?: string; to?: string; name?: string };
      return JSON.stringify([kind, path, to, own]);
    },
  });
  fc.assert(
    fc.property(list, list, (one, two) => {
      const same = artifactFingerprint(one) === artifactFingerprint(two);
      expect(artifactReasons(one, two).length === 0).toBe(same);
    }),
    { numRuns: 2000 },
  );
});
