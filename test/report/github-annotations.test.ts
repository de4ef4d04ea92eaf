import { expect, test } from 'vitest';
import { Failure, Failures } from '../../src/failure.ts';
import { annotationsOf } from '../../src/report/github-annotations.ts';

const at = { file: 'docker/service/Dockerfile', line: 3, column: 5, length: 4, text: 'RUN false' };

test("a failure stands on the Dockerfile's line, from the repository's root", () => {
  const failure = new Failure({ doing: 'building service', because: 'exit code 1', fix: 'mend line 3', at });
  expect(annotationsOf(failure, 'deploy')).toEqual([
    {
      message: 'exit code 1\nNext: mend line 3',
      properties: {
        title: 'building service',
        file: 'deploy/docker/service/Dockerfile',
        startLine: 3,
        endLine: 3,
        startColumn: 5,
        endColumn: 9,
      },
    },
  ]);
});

test('several failures are several annotations, as many as GitHub keeps', () => {
  const failures = Array.from({ length: 12 }, () => new Failure({ doing: 'reading', because: 'wrong', at }));
  expect(annotationsOf(new Failures(failures), '.')).toHaveLength(10);
});

test('a defect of ours is told as one', () => {
  expect(annotationsOf(new TypeError('x is not a function'), '.')[0]!.message).toContain('does not expect: TypeError');
});
