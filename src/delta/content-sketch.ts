import type { RandomAccess } from './source-spool.ts';

/**
 * A few numbers by which contents are known again that were moved about, cut or added to: hashes of stretches of a few bytes which
 * begin wherever the bytes themselves say so, the least of all of them (Broder, "On the resemblance and containment of documents").
 * In order; files that have half of their bytes in common have some of these in common.
 */
export type ContentSketch = readonly number[];

/** Smaller contents have none: they cost little. In bytes. */
export const sketchedSize = 4096;
const sketchLength = 8;
/** No more of contents is looked at, in bytes: all of it takes a third of the time that hashing it does. */
const lookedAt = 2 ** 20;
/** Bytes that a hash is of. */
const stretch = 32;
/** One stretch of so many begins a hash. */
const anchorMask = 0x1ff << 23;
const gear = gearTable();

/** Takes contents piece by piece. Stretches that lie in two pieces count for nothing. */
export class ContentSketcher {
  readonly #least: number[] = [];
  #left = lookedAt;

  write(bytes: Uint8Array): void {
    let rolling = 0;
    const end = Math.min(bytes.length, this.#left);
    this.#left -= end;
    for (let at = 0; at < end; at++) {
      // Each byte is shifted out after 32 more.
      rolling = ((rolling << 1) + gear[bytes[at]!]!) | 0;
      if ((rolling & anchorMask) === 0 && at >= stretch) this.#add(hashOf(bytes, at + 1 - stretch));
    }
  }

  /** Undefined where there is nothing to know it by. */
  end(): ContentSketch | undefined {
    return this.#least.length === 0 ? undefined : this.#least;
  }

  #add(hash: number): void {
    const least = this.#least;
    let place = least.length;
    while (place > 0 && least[place - 1]! >= hash) {
      if (least[place - 1] === hash) return;
      place--;
    }
    if (place === sketchLength) return;
    least.splice(place, 0, hash);
    if (least.length > sketchLength) least.pop();
  }
}

/** Of contents that can be read at any place. */
export function sketchOf(contents: RandomAccess): ContentSketch | undefined {
  const sketcher = new ContentSketcher();
  const piece = Buffer.allocUnsafe(64 * 1024);
  for (let done = 0; done < Math.min(contents.size, lookedAt); done += piece.length) {
    const bytes = piece.subarray(0, Math.min(piece.length, contents.size - done));
    contents.read(done, bytes.length, bytes);
    sketcher.write(bytes);
  }
  return sketcher.end();
}

/** FNV-1a, and its bits mixed; from 0 up to 2^30 - 1. */
function hashOf(bytes: Uint8Array, from: number): number {
  let hash = 0x811c9dc5 | 0;
  for (let at = from; at < from + stretch; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  return (Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 2) | 0;
}

function gearTable(): Int32Array {
  let state = 1;
  return Int32Array.from({ length: 256 }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    return Math.imul(state ^ (state >>> 13), 0x2c1b3c6d);
  });
}

/** Numbers that files have in common at least, to be taken for alike. */
const enough = 2;
/** Files that are looked at for one number: many have the same licence in them. */
const holders = 16;

/** Old files by what they have in common with new ones. Memory: of the numbers of new ones alone. */
export class AlikeFiles<File extends { size: number }> {
  readonly #wanted: ReadonlyMap<object, ContentSketch>;
  readonly #byNumber = new Map<number, File[]>();

  /** `wanted`: of new files. */
  constructor(wanted: ReadonlyMap<object, ContentSketch>) {
    this.#wanted = wanted;
    for (const sketch of wanted.values()) for (const number of sketch) this.#byNumber.set(number, []);
  }

  /** Whether there is anything to look for. */
  get isWanted(): boolean {
    return this.#byNumber.size > 0;
  }

  add(file: File, sketch: ContentSketch | undefined): void {
    for (const number of sketch ?? []) {
      const known = this.#byNumber.get(number);
      if (known !== undefined && known.length < holders) known.push(file);
    }
  }

  /** The one that has most in common with a new file; of several, the one that is nearest in size. */
  nearest(wanted: { size: number }): File | undefined {
    const counts = new Map<File, number>();
    for (const number of this.#wanted.get(wanted) ?? []) {
      for (const file of this.#byNumber.get(number) ?? []) counts.set(file, (counts.get(file) ?? 0) + 1);
    }
    let best: File | undefined;
    let most = enough - 1;
    for (const [file, count] of counts) {
      const away = ({ size }: File) => Math.abs(size - wanted.size);
      if (count > most || (count === most && best !== undefined && away(file) < away(best)))
        [best, most] = [file, count];
    }
    return best;
  }
}
