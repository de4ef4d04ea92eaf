import { Failure, type SourceLocation } from '../failure.ts';

/** Something in a file that is odd and does not stop: it is told, and the rest counts. */
export interface Problem {
  because: string;
  fix?: string;
  at: SourceLocation;
}

/** A line with those that it is continued on by a backslash at the end. */
export interface LogicalLine {
  text: string;
  /** Where `length` characters from `offset` stand in the file. */
  at(offset: number, length?: number): SourceLocation;
}

interface Segment {
  /** In the logical line. */
  start: number;
  line: number;
  text: string;
}

/** Hands out a text line by line: joined for statements, as it stands for help texts. */
export class LineReader {
  readonly file: string;
  readonly #rows: string[];
  readonly #endsWithNewline: boolean;
  #next = 0;

  /** `file` is how messages name it. */
  constructor(file: string, text: string) {
    this.file = file;
    this.#rows = text.replaceAll(/\r\n?/g, '\n').split('\n');
    this.#endsWithNewline = this.#rows.at(-1) === '';
    if (this.#endsWithNewline) this.#rows.pop();
  }

  /** The next line as it stands, which `takeRow` then passes; undefined at the end. */
  peekRow(): string | undefined {
    return this.#rows[this.#next];
  }

  takeRow(): void {
    this.#next += 1;
  }

  nextLine(): LogicalLine | undefined {
    if (this.#next >= this.#rows.length) return undefined;
    const segments: Segment[] = [];
    let text = '';
    for (;;) {
      const row = this.#rows[this.#next]!;
      segments.push({ start: text.length, line: this.#next + 1, text: row });
      this.#next += 1;
      const last = this.#next >= this.#rows.length;
      if (!row.endsWith('\\') || (last && !this.#endsWithNewline)) {
        return logicalLine(this.file, text + row, segments);
      }
      text += row.slice(0, -1);
      if (last) return logicalLine(this.file, text, segments);
    }
  }
}

function logicalLine(file: string, text: string, segments: readonly Segment[]): LogicalLine {
  return {
    text,
    at(offset, length = 1) {
      const segment = segments.findLast(({ start }) => start <= offset)!;
      const column = Math.min(offset - segment.start, segment.text.length) + 1;
      const room = Math.max(1, segment.text.length - column + 1);
      return {
        file,
        line: segment.line,
        column,
        length: Math.max(1, Math.min(length, room)),
        text: segment.text,
      };
    },
  };
}

export function wrong(at: SourceLocation, because: string, fix?: string): Failure {
  return new Failure({
    doing: `reading ${at.file}`,
    because,
    kind: 'input',
    at,
    ...(fix === undefined ? {} : { fix }),
  });
}
