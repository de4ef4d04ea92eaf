/** Copies of an ELF delta, in the order of the new file: three arrays side by side. */
export interface Copies {
  count: number;
  newStart: Int32Array;
  oldStart: Int32Array;
  size: Int32Array;
}

const pageBits = 12;

/** Where the bytes of the old file went: for each offset, how far. Memory: eight bytes for each range, one for each KiB. */
export class OffsetMap {
  readonly #starts: Int32Array;
  readonly #shifts: Int32Array;
  /** Number of the range that the first byte of a page lies in. */
  readonly #pages: Int32Array;

  /**
   * Of several copies of one byte, the one that stays in its section counts, then the longest, then the first. What was
   * not copied went where what stands before it went.
   */
  constructor(copies: Copies, oldSize: number, staysInSection: (copy: number) => boolean) {
    const { count, oldStart, newStart, size } = copies;
    // Sorted by the start in the old file, then by number.
    const order = new Float64Array(count);
    const weight = new Float64Array(count);
    for (let at = 0; at < count; at++) {
      order[at] = oldStart[at]! * 2 ** 21 + at;
      weight[at] = size[at]! + (staysInSection(at) ? 2 ** 32 : 0);
    }
    order.sort();
    const better = (a: number, b: number) => weight[a]! > weight[b]! || (weight[a] === weight[b] && a < b);
    const heap = new Heap(better);
    const starts = new Int32Array(2 * count + 1);
    const shifts = new Int32Array(2 * count + 1);
    let ranges = 0;
    let place = 0;
    for (let next = 0; next < count || heap.top >= 0;) {
      const upcoming = next < count ? order[next]! % 2 ** 21 : -1;
      if (heap.top < 0) place = oldStart[upcoming]!;
      if (upcoming >= 0 && oldStart[upcoming]! <= place) {
        heap.push(upcoming);
        next++;
        continue;
      }
      const top = heap.top;
      const end = oldStart[top]! + size[top]!;
      if (end <= place) {
        heap.pop();
        continue;
      }
      const shift = newStart[top]! - oldStart[top]!;
      if (ranges === 0 || shifts[ranges - 1] !== shift) {
        starts[ranges] = place;
        shifts[ranges++] = shift;
      }
      place = upcoming >= 0 ? Math.min(end, oldStart[upcoming]!) : end;
    }
    this.#starts = starts.slice(0, Math.max(1, ranges));
    this.#shifts = shifts.slice(0, Math.max(1, ranges));
    this.#pages = new Int32Array((oldSize >> pageBits) + 2);
    for (let page = 0, range = 0; page < this.#pages.length; page++) {
      while (range + 1 < this.#starts.length && this.#starts[range + 1]! <= page * 2 ** pageBits) range++;
      this.#pages[page] = range;
    }
  }

  /** New minus old offset; `offset` is one of the old file. */
  shiftOf(offset: number): number {
    const page = offset >> pageBits;
    let low = this.#pages[page]!;
    let high = this.#pages[page + 1]!;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return this.#shifts[low]!;
  }
}

/** The best of numbers that come and go. */
class Heap {
  readonly #better: (a: number, b: number) => boolean;
  readonly #items: number[] = [];

  constructor(better: (a: number, b: number) => boolean) {
    this.#better = better;
  }

  get top(): number {
    return this.#items[0] ?? -1;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#better(item, items[parent]!)) break;
      items[at] = items[parent]!;
      at = parent;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const item = items.pop()!;
    if (items.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#better(items[child + 1]!, items[child]!)) child++;
      if (!this.#better(items[child]!, item)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
