import { Failure, type SourceLocation } from '../failure.ts';

/** The first line of a file that has something in it, or one of its lines, counted from 1. */
export function placeIn(file: string, text: string, line?: number): SourceLocation {
  const lines = text.split('\n');
  const first =
    line ??
    Math.max(
      0,
      lines.findIndex((each) => /^\s*[^\s#]/.test(each)),
    ) + 1;
  const row = (lines[first - 1] ?? '').replace(/\r$/, '');
  const column = row.length - row.trimStart().length + 1;
  return { file, line: first, column, length: Math.max(1, row.trim().length), text: row };
}

export function wrongIn(at: SourceLocation, because: string, fix: string): Failure {
  return new Failure({ doing: `reading ${at.file}`, because, fix, at, kind: 'input' });
}
