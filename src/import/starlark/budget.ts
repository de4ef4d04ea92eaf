import { wrong, type Span } from './source.ts';
import type { Nodes } from './values.ts';

const mostSteps = 1_000_000;
/** Characters of strings and items of lists, over the whole evaluation. */
const mostMade = 16 * 1024 * 1024;
const largestValue = 1024 * 1024;
const deepest = 400;

/** What an evaluation may take: a build file that would not end, or fill the memory, is refused with its place. */
export class Budget {
  #steps = 0;
  #made = 0;
  #depth = 0;
  /** For comparing and writing values. */
  readonly nodes: Nodes = { left: 2_000_000 };

  step(span: Span): void {
    this.#steps += 1;
    if (this.#steps > mostSteps) {
      throw wrong(span, `this takes more than ${mostSteps} steps`, 'build files are small: look for a loop that grows');
    }
  }

  /** A value of this many characters or items is about to be made, or gone through. */
  charge(size: number, span: Span): void {
    this.#made += size;
    if (size > largestValue || this.#made > mostMade) {
      throw wrong(span, 'this makes values that are too large', 'build files are small: look for what multiplies');
    }
  }

  nested<T>(span: Span, evaluate: () => T): T {
    if (this.#depth >= deepest) throw wrong(span, 'this is nested too deep', 'take it apart with variables');
    this.#depth += 1;
    try {
      return evaluate();
    } finally {
      this.#depth -= 1;
    }
  }
}
