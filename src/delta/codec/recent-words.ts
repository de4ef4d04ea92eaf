import type { ByteReader, ByteWriter } from './bytes.ts';
import { brokenDelta } from './failure.ts';

/** Words that are remembered; 0 stands for one that isn't. */
const remembered = 250;

/**
 * Numbers of four bytes, of which many come again soon: each is its place among the last ones that were different, from
 * 1 on, and moves to the front; or 0 and its four bytes, each in a stream of its own, the low one first.
 */
class RecentWords {
  readonly #words = new Int32Array(remembered);
  #count = 0;

  /** Place of a word, or 0; it is the first one afterwards. */
  find(word: number): number {
    for (let at = 0; at < this.#count; at++) {
      if (this.#words[at] !== word) continue;
      this.#toFront(at, word);
      return at + 1;
    }
    this.#count = Math.min(this.#count + 1, remembered);
    this.#toFront(this.#count - 1, word);
    return 0;
  }

  /** The word at a place, from 1 on; undefined where there is none. */
  at(place: number): number | undefined {
    return place <= this.#count ? this.#words[place - 1] : undefined;
  }

  #toFront(at: number, word: number): void {
    this.#words.copyWithin(1, 0, at);
    this.#words[0] = word;
  }
}

export class WordEncoder {
  readonly #recent = new RecentWords();
  readonly #places: ByteWriter;
  readonly #bytes: readonly ByteWriter[];

  constructor(places: ByteWriter, bytes: readonly ByteWriter[]) {
    this.#places = places;
    this.#bytes = bytes;
  }

  put(word: number): void {
    const place = this.#recent.find(word | 0);
    this.#places.byte(place);
    if (place > 0) return;
    for (let at = 0; at < 4; at++) this.#bytes[at]!.byte(word >> (8 * at));
  }
}

export class WordDecoder {
  readonly #recent = new RecentWords();

  /** The next word of the streams of a block; what came in earlier blocks is remembered. */
  next(places: ByteReader, bytes: readonly ByteReader[]): number {
    const place = places.byte();
    let word = 0;
    if (place === 0) for (const [at, stream] of bytes.entries()) word |= stream.byte() << (8 * at);
    else {
      const known = this.#recent.at(place);
      if (known === undefined) throw brokenDelta('it repeats a number that did not come before');
      word = known;
    }
    this.#recent.find(word);
    return word;
  }
}
