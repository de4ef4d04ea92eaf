import type { SourceLocation } from '../failure.ts';
import type { FileMode } from '../plan/input.ts';
import type { FileSelection } from '../dockerfile/analysis.ts';

export { openContext, type ContextOptions } from './open.ts';
export { openWorkTree, type WorkTree } from './work-tree.ts';

/** One thing in a build context, after .dockerignore and copy entries. */
export interface ContextEntry {
  /** Relative to the context's root, POSIX. */
  path: string;
  /** Relative to the repository's root: what reasons and messages name. */
  origin: string;
  mode: FileMode;
}

export interface HashedEntry extends ContextEntry {
  /** git blob id (SHA-1, hex) of the bytes, or of a symbolic link's target; all zeros for an empty folder. */
  hash: string;
}

export interface MissingSource {
  pattern: string;
  at: SourceLocation;
  /** Whether a build fails there; else it may copy nothing. */
  required: boolean;
}

/** A layer's build context as its engine will see it. Nothing is written into the tree. */
export interface BuildContext {
  /** What the selections read, hashed, sorted by path (UTF-16 code units), each path once. Empty folders count. */
  select(selections: readonly FileSelection[]): Promise<Iterable<HashedEntry>>;
  /** All of it: for sources that cannot be resolved statically. */
  all(): Promise<Iterable<HashedEntry>>;
  /** The scripts and inputs of `prepare:`, hashed, sorted; paths are relative to the repository's root. */
  prepareInputs(): Promise<HashedEntry[]>;
  /** Patterns of the selections that match nothing, and that `prepare:` does not make. Hashes nothing. */
  missing(selections: readonly FileSelection[]): MissingSource[];
  /**
   * What of the files that `select` gave for these selections (`all`, where none are given) is another now, or gone, or
   * new; relative to the repository's root, sorted. A build must ask before it saves what it made under the fingerprint
   * of the files as they were.
   */
  changed(selections?: readonly FileSelection[], signal?: AbortSignal): Promise<string[]>;
  /**
   * Files that lose mode bits in the normalised context: 0600, setuid and the like; relative to the repository's root,
   * sorted. What the umask of the checkout explains is left out. Each file of the context is looked at: ask for layers
   * that are built, not for all.
   */
  lostModes(): Promise<{ origin: string; mode: number }[]>;
  /**
   * A folder to hand to the engine: the tree itself when its modes are normal and there are no copy entries, else a
   * copy with modes 0644/0755. `dockerfile` is the absolute path of the Dockerfile to hand over with it: a copy of the
   * layer's, with `<name>.dockerignore` beside it that says all that is not sent. Whoever derives another Dockerfile
   * from it takes that file along. `dispose` removes what was made; it can be called twice. `prepared`: the folder below
   * the root that has the outputs of `prepare:`.
   */
  materialise(prepared?: string): Promise<MaterialisedContext>;
}

export interface MaterialisedContext {
  path: string;
  dockerfile: string;
  dispose(): Promise<void>;
}
