import { BitWriter } from './bit-writer.ts';
import {
  distanceCode,
  distanceCodes,
  distanceExtra,
  distanceStart,
  endOfBlock,
  fixedDistanceLengths,
  fixedLiteralLengths,
  lengthBase,
  lengthCode,
  lengthCodes,
  lengthExtra,
  lengthOrder,
  lengthStart,
  literalCodes,
  repeatExtra,
} from './codes.ts';
import { canonicalCodes, HuffmanCode } from './huffman.ts';

const fixedLiteralCodes = new Uint16Array(288);
canonicalCodes(fixedLiteralLengths, 288, fixedLiteralCodes);
const fixedDistanceCodes = new Uint16Array(distanceCodes);
canonicalCodes(fixedDistanceLengths, distanceCodes, fixedDistanceCodes);

interface Codes {
  lengths: Uint8Array;
  codes: Uint16Array;
}

/** Gathers the literals and matches of a block and writes it in the shortest of the three ways (RFC 1951, 3.2.3). */
export class BlockWriter {
  readonly #out: BitWriter;
  /** Of each symbol: 0 and a literal, or a distance and a length − 3. */
  readonly #distances: Uint16Array;
  readonly #values: Uint8Array;
  readonly #literals = new HuffmanCode({
    symbols: literalCodes,
    longest: 15,
    extra: lengthExtra,
    extraFrom: lengthBase,
    fixed: fixedLiteralLengths,
  });
  readonly #offsets = new HuffmanCode({
    symbols: distanceCodes,
    longest: 15,
    extra: distanceExtra,
    extraFrom: 0,
    fixed: fixedDistanceLengths,
  });
  readonly #sizes = new HuffmanCode({ symbols: lengthCodes, longest: 7, extra: repeatExtra, extraFrom: 0 });
  /** Literals and matches so far, and how many of them are matches. */
  count = 0;
  matches = 0;

  constructor(put: (bytes: Uint8Array) => void, symbols: number) {
    this.#out = new BitWriter(put);
    this.#distances = new Uint16Array(symbols);
    this.#values = new Uint8Array(symbols);
    this.#clear();
  }

  literal(byte: number): void {
    this.#distances[this.count] = 0;
    this.#values[this.count++] = byte;
    this.#literals.counts[byte]!++;
  }

  match(distance: number, length: number): void {
    this.#distances[this.count] = distance;
    this.#values[this.count++] = length - 3;
    this.#literals.counts[lengthBase + lengthCode[length - 3]!]!++;
    this.#offsets.counts[distanceCode(distance - 1)]!++;
    this.matches++;
  }

  /** Bits of the distances so far, were each code of five bits. */
  distanceBits(): number {
    let bits = 0;
    for (let code = 0; code < distanceCodes; code++) bits += this.#offsets.counts[code]! * (5 + distanceExtra[code]!);
    return bits;
  }

  /** `size` is what the block holds; `stored` those bytes, where they are still at hand. */
  flush(size: number, stored: Uint8Array | undefined, isLast: boolean): void {
    const literals = this.#literals.build();
    const offsets = this.#offsets.build();
    this.#countLengths();
    const sizes = this.#sizes.build();
    let sent = lengthCodes;
    while (sent > 4 && this.#sizes.lengths[lengthOrder[sent - 1]!] === 0) sent--;
    const dynamicBits = literals.bits + offsets.bits + sizes.bits + 3 * sent + 5 + 5 + 4;
    const fixed = (literals.fixedBits + offsets.fixedBits + 3 + 7) >>> 3;
    const shortest = Math.min((dynamicBits + 3 + 7) >>> 3, fixed);
    const last = isLast ? 1 : 0;
    if (stored !== undefined && size + 4 <= shortest) {
      this.#out.bits(last, 3);
      this.#out.align();
      this.#out.bits(size, 16);
      this.#out.bits(~size & 0xffff, 16);
      this.#out.bytes(stored);
    } else if (fixed === shortest) {
      this.#out.bits(2 + last, 3);
      this.#symbols(
        { lengths: fixedLiteralLengths, codes: fixedLiteralCodes },
        { lengths: fixedDistanceLengths, codes: fixedDistanceCodes },
      );
    } else {
      this.#out.bits(4 + last, 3);
      this.#out.bits(this.#literals.last + 1 - 257, 5);
      this.#out.bits(this.#offsets.last + 1 - 1, 5);
      this.#out.bits(sent - 4, 4);
      for (let at = 0; at < sent; at++) this.#out.bits(this.#sizes.lengths[lengthOrder[at]!]!, 3);
      this.#sendLengths();
      this.#symbols(this.#literals, this.#offsets);
    }
    if (isLast) this.#out.end();
    this.#clear();
  }

  #clear(): void {
    this.#literals.clear();
    this.#offsets.clear();
    this.#literals.counts[endOfBlock] = 1;
    this.count = 0;
    this.matches = 0;
  }

  #countLengths(): void {
    this.#sizes.clear();
    const { counts } = this.#sizes;
    for (const code of [this.#literals, this.#offsets]) {
      for (const { symbol, times } of runsOf(code)) counts[symbol]! += times;
    }
  }

  #sendLengths(): void {
    const { codes, lengths } = this.#sizes;
    for (const code of [this.#literals, this.#offsets]) {
      for (const { symbol, times, repeat } of runsOf(code)) {
        for (let each = 0; each < times; each++) this.#out.bits(codes[symbol]!, lengths[symbol]!);
        if (symbol >= 16) this.#out.bits(repeat, repeatExtra[symbol]!);
      }
    }
  }

  #symbols(literals: Codes, offsets: Codes): void {
    const out = this.#out;
    for (let at = 0; at < this.count; at++) {
      const distance = this.#distances[at]!;
      const value = this.#values[at]!;
      if (distance === 0) {
        out.bits(literals.codes[value]!, literals.lengths[value]!);
        continue;
      }
      const length = lengthCode[value]!;
      out.bits(literals.codes[lengthBase + length]!, literals.lengths[lengthBase + length]!);
      out.bits(value - lengthStart[length]!, lengthExtra[length]!);
      const code = distanceCode(distance - 1);
      out.bits(offsets.codes[code]!, offsets.lengths[code]!);
      out.bits(distance - 1 - distanceStart[code]!, distanceExtra[code]!);
    }
    out.bits(literals.codes[endOfBlock]!, literals.lengths[endOfBlock]!);
  }
}

/** A symbol that says lengths, and how often it comes. `repeat`: what follows one that repeats. */
interface LengthRun {
  symbol: number;
  times: number;
  repeat: number;
}

/** Lengths of codes as they are sent: several of one length as a repetition, never across two codes. */
function* runsOf({ lengths, last }: HuffmanCode): Generator<LengthRun> {
  let before = -1;
  for (let at = 0; at <= last;) {
    const length = lengths[at]!;
    // The first of a new length other than 0 is sent as it is before it is repeated.
    const isNew = length !== before;
    const most = length === 0 ? 138 : isNew ? 7 : 6;
    let times = 1;
    while (times < most && at + times <= last && lengths[at + times] === length) times++;
    at += times;
    before = length;
    if (times < (length !== 0 && isNew ? 4 : 3)) yield { symbol: length, times, repeat: 0 };
    else if (length !== 0) {
      if (isNew) yield { symbol: length, times: 1, repeat: 0 };
      yield { symbol: 16, times: 1, repeat: times - (isNew ? 4 : 3) };
    } else if (times <= 10) yield { symbol: 17, times: 1, repeat: times - 3 };
    else yield { symbol: 18, times: 1, repeat: times - 11 };
  }
}
