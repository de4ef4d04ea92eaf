import { Failure } from '../../failure.ts';

/** A delta that breaks the rules of docs/delta-format.md. Nothing that was put out before counts. */
export function brokenDelta(because: string): Failure {
  return new Failure({
    doing: 'reading a delta',
    because,
    fix: 'fetch or make it anew',
    kind: 'input',
  });
}
