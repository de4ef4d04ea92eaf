/** Bytes of the new that stand, most of them unchanged, at another place of the old. */
export interface Alignment {
  newStart: number;
  oldStart: number;
  size: number;
}

/** Bytes that must agree for a place of the old to be considered. Shorter finds more chance than kinship. */
const seedSize = 24;
/** Every such place of the old is indexed. */
const stride = 8;
const chainLimit = 8;
/** A place is taken when it agrees on so many more bytes than going on where we are; on more when it is far away. */
const gain = 8;
const farGain = 4;
const far = 4096;
/** Bytes that are compared each way to judge a place; one that is taken is followed as far as it agrees. */
const probe = 4096;
const multiplier = 0x2c1b3c6d | 0;
/** multiplier^seedSize: what the byte that leaves the window weighs. */
const leaving = power(seedSize);
const byStride = power(stride);
/** One bit for each hash is enough to pass over most of what is not there, if it stays in the processor's cache. */
const knownLimit = 24;

/** Blocks that are indexed at once. */
const batch = 64;
/** What was fetched last: looking for it is not left out then. */
const touched = new Int32Array(1);

function power(exponent: number): number {
  let result = 1;
  for (let at = 0; at < exponent; at++) result = Math.imul(result, multiplier);
  return result;
}

/** Seeds of an old text, found by their hashes. Memory: 9 to 13 bytes for every 8 of the text. */
export interface SeedIndex {
  old: Uint8Array;
  /** 1 + number of the newest block with a hash. */
  heads: Int32Array;
  /** 1 + number of the block before with the same hash. */
  next: Int32Array;
  shift: number;
  /** One bit for some of each hash, eight for each block: most of what is not there is told without touching the rest. */
  known: Uint8Array;
  knownShift: number;
}

/** The text must be smaller than 2^31 bytes; callers pass windows of at most 64 MiB. */
export function indexSeeds(old: Uint8Array): SeedIndex {
  const blocks = old.length < seedSize ? 0 : Math.floor((old.length - seedSize) / stride) + 1;
  const bits = Math.max(8, Math.ceil(Math.log2(blocks + 1)));
  const heads = new Int32Array(2 ** bits);
  const next = new Int32Array(blocks);
  const shift = 32 - bits;
  const knownBits = Math.min(knownLimit, bits + 3);
  const known = new Uint8Array(2 ** (knownBits - 3));
  const knownShift = 32 - knownBits;
  let previous = 0;
  // A seed is three strides: each stride is hashed once.
  let first = strideHash(old, 0);
  let second = strideHash(old, stride);
  const hashes = new Int32Array(batch);
  for (let start = 0; start < blocks; start += batch) {
    const count = Math.min(batch, blocks - start);
    for (let each = 0; each < count; each++) {
      const third = strideHash(old, (start + each + 2) * stride);
      const hash = (Math.imul(Math.imul(first, byStride) + second, byStride) + third) | 0;
      first = second;
      second = third;
      hashes[each] = Math.imul(hash, 0x9e3779b1);
    }
    // Looked at one after the other, each has the processor wait for memory; like this, they come all at once.
    let fetched = 0;
    for (let each = 0; each < count; each++) {
      const mixed = hashes[each]!;
      fetched |= heads[mixed >>> shift]! | known[mixed >>> (knownShift + 3)]!;
    }
    touched[0] = fetched;
    for (let each = 0; each < count; each++) {
      const block = start + each;
      const mixed = hashes[each]!;
      // Runs of one byte, or of one short pattern, would fill the chains with the same.
      if (block > 0 && mixed === previous) continue;
      previous = mixed;
      const slot = mixed >>> shift;
      next[block] = heads[slot]!;
      heads[slot] = block + 1;
      const bit = mixed >>> knownShift;
      known[bit >>> 3]! |= 1 << (bit & 7);
    }
  }
  return { old, heads, next, shift, known, knownShift };
}

function strideHash(bytes: Uint8Array, at: number): number {
  if (at + stride > bytes.length) return 0;
  let hash = bytes[at]! + 1;
  hash = (Math.imul(hash, multiplier) + bytes[at + 1]! + 1) | 0;
  hash = (Math.imul(hash, multiplier) + bytes[at + 2]! + 1) | 0;
  hash = (Math.imul(hash, multiplier) + bytes[at + 3]! + 1) | 0;
  hash = (Math.imul(hash, multiplier) + bytes[at + 4]! + 1) | 0;
  hash = (Math.imul(hash, multiplier) + bytes[at + 5]! + 1) | 0;
  hash = (Math.imul(hash, multiplier) + bytes[at + 6]! + 1) | 0;
  return (Math.imul(hash, multiplier) + bytes[at + 7]! + 1) | 0;
}

function hashAt(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let end = at + seedSize; at < end; at++) hash = (Math.imul(hash, multiplier) + bytes[at]! + 1) | 0;
  return hash;
}

/**
 * Finds where the parts of `text` stand in the indexed old text: in order, without overlap; what no alignment covers
 * is new. Each alignment has at least half of its bytes equal at its ends (Percival, "Naive differences of executable
 * code": seeds are extended both ways by the best balance of equal and unequal bytes).
 * `diagonal`: old minus new position to start with.
 */
export function align(index: SeedIndex, text: Uint8Array, diagonal: number): Alignment[] {
  const { old, heads, next, shift, known, knownShift } = index;
  const found: Alignment[] = [];
  /** The alignment that is open: it began at `start` of the new; what made it be taken lies from `floor` to `sure`. */
  let start = 0;
  let floor = 0;
  let sure = 0;
  let offset = diagonal;
  let at = 0;
  let hash = 0;
  /** Where `hash` is of; none yet, and nowhere beside the start. */
  let hashed = -2;

  const close = (limit: number): number =>
    extendForward(old, text, sure + offset, sure, Math.min(limit, old.length - offset)) + sure - start;

  while (at + seedSize <= text.length) {
    if (at + offset >= 0 && old[at + offset] === text[at]) {
      const run = equalRun(old, text, at + offset, at, text.length);
      if (run >= 8) {
        at += run;
        continue;
      }
    }
    if (hashed !== at) {
      hash =
        hashed === at - 1
          ? (Math.imul(hash, multiplier) + text[at + seedSize - 1]! + 1 - Math.imul(text[at - 1]! + 1, leaving)) | 0
          : hashAt(text, at);
      hashed = at;
    }
    const mixed = Math.imul(hash, 0x9e3779b1) >>> 0;
    const bit = mixed >>> knownShift;
    if ((known[bit >>> 3]! & (1 << (bit & 7))) === 0) {
      at++;
      continue;
    }
    let best = -1;
    let bestRun = 0;
    let bestBack = 0;
    let bestDistance = 0;
    let block = heads[mixed >>> shift]!;
    for (let hops = 0; block !== 0 && hops < chainLimit; hops++) {
      const place = (block - 1) * stride;
      block = next[block - 1]!;
      const run = equalRun(old, text, place, at, probe);
      if (run < seedSize) continue;
      const back = equalRunBefore(old, text, place, at, Math.min(probe, at - floor));
      const distance = Math.abs(place - at - offset);
      if (run + back > bestRun + bestBack || (run + back === bestRun + bestBack && distance < bestDistance)) {
        best = place;
        bestRun = run;
        bestBack = back;
        bestDistance = distance;
      }
    }
    const better = gain + (bestDistance > far ? farGain : 0);
    if (
      best < 0 ||
      bestRun + bestBack <= agreement(old, text, at - bestBack + offset, at - bestBack, bestRun + bestBack) + better
    ) {
      at++;
      continue;
    }
    const place = best - at;
    const forward = close(at);
    let back = extendBackward(old, text, best, at, at - floor);
    let size = forward;
    const overlap = start + size - (at - back);
    if (overlap > 0) {
      const split = bestSplit(old, text, at - back, overlap, offset, place);
      size -= overlap - split;
      back -= split;
    }
    if (size > 0) found.push({ newStart: start, oldStart: start + offset, size });
    start = at - back;
    floor = at - bestBack;
    offset = place;
    at += bestRun;
    sure = at;
  }
  const size = close(text.length);
  if (size > 0) found.push({ newStart: start, oldStart: start + offset, size });
  return found;
}

/** Bytes that are equal from both places on, up to `most`. */
function equalRun(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, most: number): number {
  if (oldAt < 0) return 0;
  const limit = Math.min(old.length - oldAt, text.length - newAt, most);
  let length = 0;
  while (length < limit && old[oldAt + length] === text[newAt + length]) length++;
  return length;
}

/** Bytes that are equal before both places, up to `most`. */
function equalRunBefore(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, most: number): number {
  const limit = Math.min(oldAt, most);
  let length = 0;
  while (length < limit && old[oldAt - length - 1] === text[newAt - length - 1]) length++;
  return length;
}

/** How many of `size` bytes are equal. */
function agreement(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, size: number): number {
  let equal = 0;
  const from = Math.max(0, -oldAt);
  const to = Math.min(size, old.length - oldAt);
  for (let at = from; at < to; at++) if (old[oldAt + at] === text[newAt + at]) equal++;
  return equal;
}

/** The length from here on, up to `limit` of the new, with the most equal bytes beyond half. */
function extendForward(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, limit: number): number {
  if (oldAt < 0) return 0;
  let balance = 0;
  let best = 0;
  let length = 0;
  for (let at = 0; newAt + at < limit; at++) {
    balance += old[oldAt + at] === text[newAt + at] ? 1 : -1;
    if (balance > best) {
      best = balance;
      length = at + 1;
    }
  }
  return length;
}

function extendBackward(old: Uint8Array, text: Uint8Array, oldAt: number, newAt: number, limit: number): number {
  let balance = 0;
  let best = 0;
  let length = 0;
  const most = Math.min(limit, oldAt);
  for (let at = 1; at <= most; at++) {
    balance += old[oldAt - at] === text[newAt - at] ? 1 : -1;
    if (balance > best) {
      best = balance;
      length = at;
    }
  }
  return length;
}

/** Of `overlap` bytes from `newAt` on that two alignments claim, how many the first one should keep. */
function bestSplit(
  old: Uint8Array,
  text: Uint8Array,
  newAt: number,
  overlap: number,
  first: number,
  second: number,
): number {
  let balance = 0;
  let best = 0;
  let split = 0;
  for (let at = 0; at < overlap; at++) {
    const byte = text[newAt + at];
    if (old[newAt + at + first] === byte) balance++;
    if (old[newAt + at + second] === byte) balance--;
    if (balance > best) {
      best = balance;
      split = at + 1;
    }
  }
  return split;
}
