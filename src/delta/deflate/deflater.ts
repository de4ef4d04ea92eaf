import { BlockWriter } from './block-writer.ts';
import { longestMatch, shortestMatch } from './codes.ts';
import { effortOf, greedyLevel, type DeflateProfile, type Effort } from './profile.ts';

const history = 2 ** 15;
const historyMask = history - 1;
const windowSize = 2 * history;
/** With fewer bytes ahead, more are read first. */
const least = longestMatch + shortestMatch + 1;
const furthest = history - least;
/** A match of three bytes that is further away costs more than its bytes. */
const tooFar = 4096;
/** gzip thinks about ending a block whenever it has so many more symbols. */
const thought = 4096;

/**
 * Makes the deflate stream (RFC 1951) that zlib or gzip makes of the same bytes, whatever the pieces in which they come.
 * Our own, and so the same on every host and device: docs/deflate-profiles.md says which of all possible streams it is.
 * Memory: less than 1 MiB.
 */
export class Deflater {
  readonly #isGzip: boolean;
  readonly #isGreedy: boolean;
  readonly #level: number;
  readonly #effort: Effort;
  readonly #symbols: number;
  readonly #hashShift: number;
  readonly #hashMask: number;
  readonly #blocks: BlockWriter;
  /** Some bytes more: gzip hashes what is behind the end. */
  readonly #window = new Uint8Array(windowSize + 8);
  /** By hash: where a string with it stood last; 0 where there was none, and so the very first is never found. */
  readonly #heads: Int32Array;
  /** By place: where the one before with that hash stood. */
  readonly #before = new Int32Array(history);
  /** Place in the stream of the window's first byte; the places below are in the window. */
  #base = 0;
  #at = 0;
  #end = 0;
  #blockStart = 0;
  #isEnded = false;
  /** Of the match at the place before, which may be taken yet. */
  #length = shortestMatch - 1;
  #matchAt = 0;
  #literalWaits = false;

  constructor(profile: DeflateProfile, put: (bytes: Uint8Array) => void) {
    this.#isGzip = profile.writer === 'gzip';
    this.#isGreedy = profile.level <= greedyLevel;
    this.#level = profile.level;
    this.#effort = effortOf(profile);
    this.#symbols = profile.symbols;
    this.#hashShift = Math.ceil(profile.hashBits / shortestMatch);
    this.#hashMask = 2 ** profile.hashBits - 1;
    this.#heads = new Int32Array(2 ** profile.hashBits);
    this.#blocks = new BlockWriter(put, profile.symbols + 1);
  }

  write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const taken = Math.min(bytes.length - done, windowSize - this.#end);
      this.#window.set(bytes.subarray(done, done + taken), this.#end);
      this.#end += taken;
      done += taken;
      if (this.#end === windowSize) this.#go(false);
    }
  }

  end(): void {
    this.#go(true);
    if (this.#literalWaits) this.#blocks.literal(this.#window[this.#at - 1]!);
    this.#flush(true);
  }

  #go(isLast: boolean): void {
    if (this.#isGreedy) this.#greedy(isLast);
    else this.#lazy(isLast);
    if (!isLast) this.#slide();
  }

  /** Too few bytes are ahead, and there are no more. Returns whether none are left. */
  #starve(): boolean {
    if (!this.#isGzip) this.#slide();
    else if (!this.#isEnded) {
      this.#slide();
      this.#window.fill(0, this.#end, this.#end + 2);
    }
    this.#isEnded = true;
    return this.#at >= this.#end;
  }

  #slide(): void {
    if (this.#at < history + furthest) return;
    this.#window.copyWithin(0, history, windowSize);
    this.#base += history;
    this.#at -= history;
    this.#end -= history;
    this.#blockStart -= history;
  }

  #greedy(isLast: boolean): void {
    const { lazy } = this.#effort;
    for (;;) {
      if (this.#end - this.#at < least) {
        if (!isLast) return;
        if (this.#starve()) return;
      }
      const head = this.#remember(this.#at);
      const length = this.#mayMatch(head) ? this.#search(head, shortestMatch - 1) : 0;
      let isFull: boolean;
      if (length >= shortestMatch) {
        isFull = this.#match(this.#base + this.#at - this.#matchAt, length);
        const knows = length <= lazy && (this.#isGzip || this.#end - this.#at - length >= shortestMatch);
        if (knows) for (let next = 1; next < length; next++) this.#remember(this.#at + next);
        this.#at += length;
      } else {
        isFull = this.#literal(this.#window[this.#at]!);
        this.#at++;
      }
      if (isFull) this.#flush(false);
    }
  }

  #lazy(isLast: boolean): void {
    const { lazy } = this.#effort;
    for (;;) {
      if (this.#end - this.#at < least) {
        if (!isLast) return;
        if (this.#starve()) return;
      }
      const head = this.#remember(this.#at);
      const lastLength = this.#length;
      const lastMatch = this.#matchAt;
      let length = shortestMatch - 1;
      if (lastLength < lazy && this.#mayMatch(head)) {
        length = this.#search(head, lastLength);
        if (length === shortestMatch && this.#base + this.#at - this.#matchAt > tooFar) length--;
      }
      this.#length = length;
      if (lastLength >= shortestMatch && length <= lastLength) {
        const isFull = this.#match(this.#base + this.#at - 1 - lastMatch, lastLength);
        const end = this.#at + lastLength - 1;
        for (let next = this.#at + 1; next < end; next++) this.#remember(next);
        this.#at = end;
        this.#literalWaits = false;
        this.#length = shortestMatch - 1;
        if (isFull) this.#flush(false);
      } else {
        if (this.#literalWaits && this.#literal(this.#window[this.#at - 1]!)) this.#flush(false);
        this.#literalWaits = true;
        this.#at++;
      }
    }
  }

  /** Returns where a string with the same hash stood last, in the stream. */
  #remember(at: number): number {
    // zlib knows no strings that go beyond the end.
    if (!this.#isGzip && this.#end - at < shortestMatch) return 0;
    const window = this.#window;
    const shift = this.#hashShift;
    const hash = ((window[at]! << (2 * shift)) ^ (window[at + 1]! << shift) ^ window[at + 2]!) & this.#hashMask;
    const place = this.#base + at;
    const head = this.#heads[hash]!;
    this.#before[place & historyMask] = head;
    this.#heads[hash] = place;
    return head;
  }

  #mayMatch(head: number): boolean {
    if (head <= this.#base || this.#base + this.#at - head > furthest) return false;
    return !this.#isGzip || this.#at <= windowSize - least;
  }

  /** The longest match that is longer than `than`, into #matchAt; returns its length, or `than`; never more than is ahead. */
  #search(head: number, than: number): number {
    const window = this.#window;
    const before = this.#before;
    const base = this.#base;
    const at = this.#at;
    const ahead = this.#end - at;
    const { good } = this.#effort;
    let { nice, chain } = this.#effort;
    if (than >= good) chain >>>= 2;
    // gzip searches on, and compares with whatever is behind the end.
    let most = longestMatch;
    if (!this.#isGzip) {
      if (nice > ahead) nice = ahead;
      if (most > ahead) most = ahead;
      if (than >= most) return Math.min(than, ahead);
    }
    const first = window[at]!;
    const second = window[at + 1]!;
    const limit = Math.max(base, base + at - furthest);
    let best = than;
    let beforeEnd = window[at + best - 1]!;
    let end = window[at + best]!;
    let place = head;
    do {
      const old = place - base;
      if (
        window[old + best] === end &&
        window[old + best - 1] === beforeEnd &&
        window[old] === first &&
        window[old + 1] === second
      ) {
        let length = shortestMatch;
        while (length < most && window[old + length] === window[at + length]) length++;
        if (length > best) {
          this.#matchAt = place;
          best = length;
          if (best >= nice) break;
          beforeEnd = window[at + best - 1]!;
          end = window[at + best]!;
        }
      }
      place = before[place & historyMask]!;
    } while (place > limit && --chain !== 0);
    return Math.min(best, ahead);
  }

  /** Both return whether the block is full. */
  #literal(byte: number): boolean {
    this.#blocks.literal(byte);
    return this.#isFull();
  }

  #match(distance: number, length: number): boolean {
    this.#blocks.match(distance, length);
    return this.#isFull();
  }

  #isFull(): boolean {
    const { count, matches } = this.#blocks;
    if (this.#isGzip && this.#level > 2 && count % thought === 0 && matches < count >>> 1) {
      // Few matches, and yet half the size: other bytes may follow, which another code suits better.
      const bytes = (8 * count + this.#blocks.distanceBits()) >>> 3;
      if (bytes < (this.#at - this.#blockStart) >>> 1) return true;
    }
    return count === this.#symbols;
  }

  #flush(isLast: boolean): void {
    const start = this.#blockStart;
    const stored = start < 0 ? undefined : this.#window.subarray(start, this.#at);
    this.#blocks.flush(this.#at - start, stored, isLast);
    this.#blockStart = this.#at;
  }
}
