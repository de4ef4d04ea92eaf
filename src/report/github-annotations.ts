import type { AnnotationProperties } from '@actions/core';
import { posix } from 'node:path';
import { Failure, Failures } from '../failure.ts';

/** What GitHub shows beside a line of a pull request, or at the top of the run where there is no line. */
export interface Annotation {
  message: string;
  properties: AnnotationProperties;
}

/** GitHub keeps ten errors of a step; the rest is in the log all the same. */
const mostAnnotations = 10;

/**
 * `below`: where the configuration's folder lies in the workspace, POSIX, '.' for the workspace itself. Failures name
 * files from the configuration's folder; GitHub wants them from the repository's root.
 */
export function annotationsOf(error: unknown, below: string): Annotation[] {
  return partsOf(error)
    .slice(0, mostAnnotations)
    .map((failure) => annotationOf(failure, below));
}

function partsOf(error: unknown): readonly unknown[] {
  if (error instanceof Failures) return error.failures;
  return error instanceof AggregateError ? error.errors : [error];
}

function annotationOf(error: unknown, below: string): Annotation {
  if (!(error instanceof Failure)) {
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { message: `imgbuild met something it does not expect: ${message}`, properties: { title: 'imgbuild' } };
  }
  const { doing, because, fix, at } = error;
  const message = fix === undefined ? because : `${because}\nNext: ${fix}`;
  const title = doing;
  if (!at) return { message, properties: { title } };
  return {
    message,
    properties: {
      title,
      file: posix.join(below, at.file),
      startLine: at.line,
      endLine: at.line,
      startColumn: at.column,
      endColumn: at.column + at.length,
    },
  };
}
