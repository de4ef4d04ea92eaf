import { Failure } from '../failure.ts';

/**
 * Something is there and is not what its name says: wrong size, wrong digest, not a manifest, a tag on nothing.
 * Apart from the Failures of a refused or unreachable store, so that `plan` can build such a layer anew.
 */
export class BrokenContent extends Failure {}
