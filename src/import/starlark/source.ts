import { Failure, type SourceLocation } from '../../failure.ts';

/** A text that the user wrote, and where its characters stand. */
export class SourceText {
  /** As messages name it. */
  readonly file: string;
  readonly text: string;
  readonly #starts: number[] = [0];

  constructor(file: string, text: string) {
    this.file = file;
    this.text = text;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1);
  }

  /** `start` and `end` are offsets; what goes over several lines is underlined on the first. */
  at(start: number, end: number): SourceLocation {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= start) low = middle;
      else high = middle - 1;
    }
    const begin = this.#starts[low]!;
    const line = this.text.slice(begin, (this.#starts[low + 1] ?? this.text.length + 1) - 1).replace(/\r$/, '');
    const column = Math.min(start - begin + 1, line.length + 1);
    const length = Math.max(1, Math.min(end - start, line.length - column + 1));
    return { file: this.file, line: low + 1, column, length, text: line };
  }
}

/** A part of a source text. */
export interface Span {
  source: SourceText;
  start: number;
  end: number;
}

export function locationOf({ source, start, end }: Span): SourceLocation {
  return source.at(start, end);
}

/** What is wrong at a place. */
export function wrong(span: Span, because: string, fix?: string): Failure {
  const doing = `reading ${span.source.file}`;
  return new Failure({ doing, because, ...(fix === undefined ? {} : { fix }), at: locationOf(span), kind: 'input' });
}

/** From the one's beginning to the other's end. */
export function across(first: Span, last: Span): Span {
  return { source: first.source, start: first.start, end: last.end };
}
