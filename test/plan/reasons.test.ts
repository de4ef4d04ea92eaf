import { describe, expect, test } from 'vitest';
import type { Input } from '../../src/plan/input.ts';
import { reasonsBetween } from '../../src/plan/reasons.ts';
import { describeReason } from '../../src/report/reason.ts';

const before: Input[] = [
  { kind: 'tool', name: 'imgbuild-inputs', version: '1' },
  { kind: 'platform', value: 'linux/amd64' },
  { kind: 'instruction', stage: 0, seq: 0, text: 'FROM base' },
  { kind: 'instruction', stage: 0, seq: 1, text: 'RUN make' },
  { kind: 'arg', stage: 0, name: 'OPENVINO', value: 'y' },
  { kind: 'file', path: 'app.py', mode: '100644', hash: 'a' },
  { kind: 'file', path: 'run.sh', mode: '100644', hash: 'b' },
  { kind: 'base', reference: 'ubuntu:22.04', digest: `sha256:${'1'.repeat(64)}` },
  { kind: 'parent', layer: 'engine', reference: 'engine', fingerprint: 'f1' },
  { kind: 'epoch', value: '2026-10' },
];

const change = (from: Input, to: Input | undefined) =>
  before.flatMap((input) => (input === from ? (to ? [to] : []) : [input]));
const words = (after: Input[]) => reasonsBetween(before, after, (path) => `docker/service/${path}`).map(describeReason);

describe('reasons by name', () => {
  test('equal inputs have none', () => expect(words([...before])).toEqual([]));
  test('a changed file', () =>
    expect(words(change(before[5]!, { kind: 'file', path: 'app.py', mode: '100644', hash: 'c' }))).toEqual([
      'docker/service/app.py changed',
    ]));
  test('a removed file', () => expect(words(change(before[5]!, undefined))).toEqual(['docker/service/app.py removed']));
  test('an added file', () =>
    expect(words([...before, { kind: 'file', path: 'new', mode: '100644', hash: 'c' }])).toEqual([
      'docker/service/new added',
    ]));
  test('a mode', () =>
    expect(words(change(before[6]!, { kind: 'file', path: 'run.sh', mode: '100755', hash: 'b' }))).toEqual([
      'docker/service/run.sh: mode 100644 → 100755',
    ]));
  test('an ARG', () =>
    expect(words(change(before[4]!, { kind: 'arg', stage: 0, name: 'OPENVINO', value: 'n' }))).toEqual([
      'ARG OPENVINO: y → n',
    ]));
  test('an instruction that was edited stands beside what it became', () =>
    expect(words(change(before[3]!, { kind: 'instruction', stage: 0, seq: 1, text: 'RUN make all' }))).toEqual([
      'RUN make → RUN make all',
    ]));
  test('a new default of an ARG is told once', () => {
    const declared = (value: string): Input[] => [
      { kind: 'instruction', stage: 0, seq: 2, text: `ARG VERSION=${value}` },
      { kind: 'arg', stage: 0, name: 'VERSION', value },
    ];
    const reasons = reasonsBetween(declared('1'), declared('2'), (path) => path);
    expect(reasons.map(describeReason)).toEqual(['ARG VERSION: 1 → 2']);
  });
  test('of two long instructions what differs is shown', () => {
    const long = 'RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip';
    const reason = { kind: 'instruction-changed', from: long, to: `${long} libgomp1` } as const;
    expect(describeReason(reason)).toBe('RUN … python3-pip → … python3-pip libgomp1');
  });
  test('a base that moved', () =>
    expect(
      words(change(before[7]!, { kind: 'base', reference: 'ubuntu:22.04', digest: `sha256:${'2'.repeat(64)}` })),
    ).toEqual(['base ubuntu:22.04 moved: 111111111111 → 222222222222']));
  test('a parent', () =>
    expect(
      words(change(before[8]!, { kind: 'parent', layer: 'engine', reference: 'engine', fingerprint: 'f2' })),
    ).toEqual(['parent engine changed']));
  test('an epoch', () =>
    expect(words(change(before[9]!, { kind: 'epoch', value: '2026-11' }))).toEqual(['refresh: 2026-10 → 2026-11']));
  test('two instructions that changed places', () => {
    const swapped: Input[] = before.map((input) =>
      input.kind === 'instruction' ? { ...input, seq: 1 - input.seq } : input,
    );
    expect(words(swapped)).toHaveLength(1);
  });
});
