import type { Command } from 'commander';
import type { Progress } from '../progress.ts';

/** What a command gets besides its own options. */
export interface CommandContext {
  /** Absolute: the current folder, or `-C DIR`. */
  directory: string;
  /** `-f FILE`, absolute; else imgbuild.yaml in `directory` or the nearest folder above it. */
  file: string | undefined;
  json: boolean;
  /** Results. */
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  /** Progress and messages. */
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  progress: Progress;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/**
 * One file per command exports `add<Name>(program)`. Its action calls `contextOf(command)` and one function of the
 * rooms below; failures are thrown and rendered by main.
 */
export type AddCommand = (program: Command, contextOf: (command: Command) => CommandContext) => void;
