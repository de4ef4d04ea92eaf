import type { FileMode } from '../plan/input.ts';
import type { FileSelection } from '../dockerfile/analysis.ts';

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

/** A layer's build context as its engine will see it. Nothing is written into the tree. */
export interface BuildContext {
  /** What the selections read, hashed, sorted by path, each path once. Empty folders count. */
  select(selections: readonly FileSelection[]): Promise<HashedEntry[]>;
  /** All of it: for sources that cannot be resolved statically. */
  all(): Promise<HashedEntry[]>;
  /** Files that lose mode bits in the normalised context: 0600, setuid and the like; relative to the repository's root. */
  lostModes(): Promise<{ origin: string; mode: number }[]>;
  /**
   * A folder to hand to the engine: the tree itself when its modes are normal and there are no copy entries, else a
   * copy with modes 0644/0755 (links hard or reflinked where that is safe). `dispose` removes what was made.
   */
  materialise(): Promise<{ path: string; dispose(): Promise<void> }>;
}
