/** What a code may look like, and how its symbols are sent besides. */
export interface Alphabet {
  symbols: number;
  /** Of a symbol's code, in bits, at most. */
  longest: number;
  /** Bits that follow the symbols from `extraFrom` on. */
  extra: Uint8Array;
  extraFrom: number;
  /** Lengths of the fixed code, where there is one. */
  fixed?: Uint8Array;
}

/** Of all symbols as they were counted: bits with this code and with the fixed one. */
export interface CodeCost {
  bits: number;
  fixedBits: number;
}

/** `codes`: the bits of each in the order in which they are sent. */
export function canonicalCodes(lengths: Uint8Array, symbols: number, codes: Uint16Array): void {
  const next = new Uint16Array(17);
  for (let symbol = 0; symbol < symbols; symbol++) next[lengths[symbol]! + 1]!++;
  next[1] = 0;
  for (let length = 2; length < 17; length++) next[length] = (next[length]! + next[length - 1]!) << 1;
  for (let symbol = 0; symbol < symbols; symbol++) {
    const length = lengths[symbol]!;
    if (length === 0) continue;
    let code = next[length]!++;
    let reversed = 0;
    for (let bit = 0; bit < length; bit++, code >>>= 1) reversed = (reversed << 1) | (code & 1);
    codes[symbol] = reversed;
  }
}

/**
 * Makes one Huffman code after the other. Many codes are equally short: which one comes out follows from the order of a heap
 * and from what it does with what is equal (docs/deflate-profiles.md).
 */
export class HuffmanCode {
  readonly #alphabet: Alphabet;
  /** Of symbols and, behind them, of the nodes above. */
  readonly counts: Uint16Array;
  readonly lengths: Uint8Array;
  readonly codes: Uint16Array;
  readonly #parents: Uint16Array;
  readonly #depths: Uint8Array;
  readonly #heap: Uint16Array;
  #heapSize = 0;
  /** The last symbol with a code. */
  last = 0;

  constructor(alphabet: Alphabet) {
    const nodes = 2 * alphabet.symbols + 1;
    this.#alphabet = alphabet;
    this.counts = new Uint16Array(nodes);
    this.lengths = new Uint8Array(nodes);
    this.codes = new Uint16Array(alphabet.symbols);
    this.#parents = new Uint16Array(nodes);
    this.#depths = new Uint8Array(nodes);
    this.#heap = new Uint16Array(nodes);
  }

  /** Forgets what was counted. */
  clear(): void {
    this.counts.fill(0, 0, this.#alphabet.symbols);
  }

  /** Out of the counts. */
  build(): CodeCost {
    const { symbols, fixed } = this.#alphabet;
    const { counts } = this;
    const [heap, depths, parents] = [this.#heap, this.#depths, this.#parents];
    const cost: CodeCost = { bits: 0, fixedBits: 0 };
    let last = -1;
    this.#heapSize = 0;
    for (let symbol = 0; symbol < symbols; symbol++) {
      this.lengths[symbol] = 0;
      if (counts[symbol] === 0) continue;
      heap[++this.#heapSize] = last = symbol;
      depths[symbol] = 0;
    }
    // Two codes at least, of symbols that are never sent.
    while (this.#heapSize < 2) {
      const symbol = last < 2 ? ++last : 0;
      heap[++this.#heapSize] = symbol;
      counts[symbol] = 1;
      depths[symbol] = 0;
      cost.bits--;
      if (fixed !== undefined) cost.fixedBits -= fixed[symbol]!;
    }
    this.last = last;
    for (let at = this.#heapSize >>> 1; at >= 1; at--) this.#sink(at);
    /** Symbols and nodes as they left the heap, the rarest last. */
    const order: number[] = [];
    let node = symbols;
    while (this.#heapSize >= 2) {
      const rarest = heap[1]!;
      heap[1] = heap[this.#heapSize--]!;
      this.#sink(1);
      const next = heap[1]!;
      order.push(rarest, next);
      counts[node] = counts[rarest]! + counts[next]!;
      depths[node] = Math.max(depths[rarest]!, depths[next]!) + 1;
      parents[rarest] = parents[next] = node;
      heap[1] = node++;
      this.#sink(1);
    }
    this.#assignLengths(order, heap[1]!, cost);
    canonicalCodes(this.lengths, last + 1, this.codes);
    return cost;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const moved = heap[from]!;
    let at = from;
    for (let child = 2 * at; child <= this.#heapSize; child = 2 * at) {
      if (child < this.#heapSize && this.#isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (this.#isBefore(moved, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = moved;
  }

  #isBefore(a: number, b: number): boolean {
    const [first, second] = [this.counts[a]!, this.counts[b]!];
    return first < second || (first === second && this.#depths[a]! <= this.#depths[b]!);
  }

  #assignLengths(order: readonly number[], root: number, cost: CodeCost): void {
    const { symbols, longest, extra, extraFrom, fixed } = this.#alphabet;
    const { counts, lengths } = this;
    const perLength = new Uint16Array(longest + 2);
    let tooLong = 0;
    lengths[root] = 0;
    for (let at = order.length - 1; at >= 0; at--) {
      const node = order[at]!;
      let length = lengths[this.#parents[node]!]! + 1;
      if (length > longest) {
        length = longest;
        tooLong++;
      }
      lengths[node] = length;
      if (node >= symbols) continue;
      perLength[length]!++;
      const more = node >= extraFrom ? extra[node - extraFrom]! : 0;
      cost.bits += counts[node]! * (length + more);
      if (fixed !== undefined) cost.fixedBits += counts[node]! * (fixed[node]! + more);
    }
    if (tooLong === 0) return;
    for (; tooLong > 0; tooLong -= 2) {
      let length = longest - 1;
      while (perLength[length] === 0) length--;
      perLength[length]!--;
      perLength[length + 1]! += 2;
      perLength[longest]!--;
    }
    let at = 0;
    for (let length = longest; length > 0; length--) {
      for (let left = perLength[length]!; left > 0;) {
        const node = order[at++]!;
        if (node >= symbols) continue;
        cost.bits += (length - lengths[node]!) * counts[node]!;
        lengths[node] = length;
        left--;
      }
    }
  }
}
