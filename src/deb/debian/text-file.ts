import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { Failure, type SourceLocation } from '../../failure.ts';
import { missingOrThrow } from '../../files/unreadable.ts';

/** A text file of a debian/ folder, and where its lines stand. */
export interface TextFile {
  /** Relative to the repository's root. */
  path: string;
  text: string;
  lines: string[];
  /** Lines and columns count from 1; without a column the whole line is meant. */
  at(line: number, column?: number, length?: number): SourceLocation;
}

/** Undefined where there is no such file. Throws a Failure for one that is not UTF-8. */
export async function readTextFile(root: string, path: string): Promise<TextFile | undefined> {
  const bytes = await readFile(posix.join(root, path)).catch(missingOrThrow(path));
  if (bytes === undefined) return undefined;
  try {
    return textFileOf(path, new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const fix = 'save it as UTF-8';
    throw new Failure({ doing: `reading ${path}`, because: 'it is not UTF-8', fix, kind: 'input', cause: error });
  }
}

export function textFileOf(path: string, text: string): TextFile {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  return {
    path,
    text,
    lines,
    at(line, column = 1, length) {
      const row = lines[line - 1] ?? '';
      return { file: path, line, column, length: Math.max(1, length ?? row.length - column + 1), text: row };
    },
  };
}
