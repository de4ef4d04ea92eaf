import { describe, expect, it } from 'vitest';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import type { BuildEvent } from '../../src/engine/engine.ts';
import { StepFailures } from '../../src/engine/step-failure.ts';

const source =
  'FROM a AS one\n# comment\nRUN make\nRUN make\nFROM one\nCOPY x /x\nRUN --mount=type=cache,target=/c  test\n';

function failure(events: BuildEvent[], other: string[] = [], text = source) {
  const failures = new StepFailures('service', parseDockerfile(text, 'docker/Dockerfile'));
  for (const event of events) failures.onEvent(event);
  for (const line of other) failures.onOther(line);
  return failures.failure();
}

const failing = (name: string, error: string, output = ''): BuildEvent[] => [
  { kind: 'step-started', id: '1', name, cached: false },
  { kind: 'log', id: '1', text: output },
  { kind: 'step-done', id: '1', cached: false, error },
];

describe('a failing step', () => {
  it('is found by its text', () => {
    const { at, because } = failure(failing('[stage-1 2/3] COPY x /x', '"/x" not found: not found'));
    expect(at).toMatchObject({ file: 'docker/Dockerfile', line: 6 });
    expect(because).toBe('COPY x /x failed: "/x" not found: not found');
  });

  it('is found by its number where two steps have one text', () => {
    expect(failure(failing('[one 3/3] RUN make', 'exit code: 2')).at).toMatchObject({ line: 4 });
    expect(failure(failing('[linux/amd64 one 2/3] RUN make', 'exit code: 2')).at).toMatchObject({ line: 3 });
  });

  it('is found by the line that buildx prints', () => {
    const other = ['Dockerfile:7', '--------------------', '   7 | >>> RUN test', '--------------------'];
    expect(failure(failing('[stage-1 3/3] something unknown', 'exit code: 1'), other).at).toMatchObject({ line: 7 });
  });

  it('shows the last lines of its output, and the code in place of the whole command', () => {
    const output = Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('');
    const error = 'process "/bin/sh -c make" did not complete successfully: exit code: 2';
    const { because } = failure(failing('[one 2/3] RUN make', error, output));
    expect(because).toMatch(/^RUN make failed: exit code: 2\nits last output:\n/);
    expect(because).toContain('    line 99');
    expect(because).not.toContain('line 60\n');
  });

  it('is not one that was canceled because of another', () => {
    const canceled = failing('[one 2/3] RUN make', 'canceled').map((event) => ({ ...event, id: '2' }) as BuildEvent);
    const { because } = failure([...canceled, ...failing('[stage-1 2/3] COPY x /x', 'no such file')]);
    expect(because).toContain('no such file');
  });

  it('is not the reading of the base, which is cut off with the build and says at what', () => {
    const error = 'unable to get info about digest: no active session for abc: context canceled: context canceled';
    const reading = failing('OCI load from client', error).map((event) => ({ ...event, id: '2' }) as BuildEvent);
    const { because } = failure([...reading, ...failing('[stage-1 2/3] COPY x /x', '"/x": not found')]);
    expect(because).toBe('COPY x /x failed: "/x": not found');

    const last = 'ERROR: failed to build: failed to solve: failed to compute cache key: "/x": not found';
    expect(failure(reading, [last]).because).toBe('failed to compute cache key: "/x": not found');
  });

  it('is the # syntax line when its frontend cannot be fetched', () => {
    const text = `# syntax=example.invalid/frontend:1\n${source}`;
    const { at, because } = failure(
      failing('resolve image config for docker-image://example.invalid/frontend:1', 'no such host'),
      [],
      text,
    );
    expect(at).toMatchObject({ line: 1 });
    expect(because).toContain('no such host');
  });

  it('names what to do about certificates of a proxy', () => {
    const { fix } = failure(failing('[one 2/3] RUN make', 'exit code: 1', 'SSLError(CERTIFICATE_VERIFY_FAILED)'));
    expect(fix).toContain('--mount=type=secret,id=ca');
  });
});

it('a step of a stage that begins with another stage is counted from its own first', () => {
  const text = 'FROM a AS one\nRUN make\nFROM one AS two\nARG V\nRUN install $V\nRUN test $V\n';
  const dockerfile = parseDockerfile(text, 'Dockerfile');
  const lineOf = (name: string) => {
    const failures = new StepFailures('layer', dockerfile);
    for (const event of failing(name, 'exit code: 1')) failures.onEvent(event);
    return failures.failure().at?.line;
  };
  expect(lineOf('[two 1/2] RUN install 8.0')).toBe(5);
  expect(lineOf('[two 2/2] RUN test 8.0')).toBe(6);
  expect(lineOf('[one 1/2] FROM docker.io/library/a')).toBe(1);
  expect(lineOf('[one 2/2] RUN make it')).toBe(2);
});
