import { Failure } from '../failure.ts';

/** For an archive that cannot be read: nothing can be done about it here. */
export function damaged(doing: string, because: string): Failure {
  return new Failure({ doing, because, fix: 'fetch or make the archive anew', kind: 'input' });
}
