import { closeSync, openSync, rmSync } from 'node:fs';
import { Failure } from '../../failure.ts';
import type { Digest } from '../../oci/digest.ts';
import { readAll, writeAll, type RandomAccess } from '../source-spool.ts';
import type { LayerRanges, SourceRanges } from './source-ranges.ts';
import { unpackMember } from './unpack-members.ts';

const copySize = 1024 * 1024;

/** Takes the uncompressed tar of one filesystem layer, from its start to its end. */
export interface LayerTap {
  write(bytes: Uint8Array): void;
  /** All of it came, and this is its sha256. */
  commit(diffId: Digest): void;
  /** It was no filesystem layer, or damaged. */
  discard(): void;
}

/**
 * The old file: the ranges of old filesystem layers, each at its known place in one temporary file, and behind them what
 * members unpack to. Filesystem layers may come in any order. Disk: the old file, and one whole filesystem layer while it isn't known which it is.
 */
export class RangeSpool implements RandomAccess {
  readonly #ranges: SourceRanges;
  readonly #path: string;
  readonly #file: number;
  readonly #missing: Set<Digest>;
  #unknown = 0;
  #isUnpacked = false;

  constructor(ranges: SourceRanges, path: string) {
    this.#ranges = ranges;
    this.#path = path;
    this.#missing = new Set(ranges.layers.map(({ diffId }) => diffId));
    this.#file = openSync(path, 'wx+', 0o600);
  }

  /** How many ranges there are, and members of them. */
  get lengths(): { ranges: number; oldMembers: number } {
    return { ranges: this.#ranges.count, oldMembers: this.#ranges.members.length };
  }

  get size(): number {
    return this.#ranges.size;
  }

  get place(): { path: string; start: number } {
    return { path: this.#path, start: 0 };
  }

  /** Whether all filesystem layers came that are read from. */
  get hasAll(): boolean {
    return this.#missing.size === 0;
  }

  wants(diffId: Digest): boolean {
    return this.#missing.has(diffId);
  }

  read(position: number, length: number, into: Uint8Array): void {
    if (position < 0 || length < 0 || position + length > this.size) {
      throw new RangeError(`a read at ${position} of ${length} bytes in a file of ${this.size}`);
    }
    readAll(this.#file, into, length, position);
  }

  /**
   * `diffId`: which filesystem layer comes, or seems to; one that turns out to be another has not been kept. Undefined
   * where only its bytes tell: it is kept whole until they are all there.
   */
  tap(diffId: Digest | undefined): LayerTap | undefined {
    if (this.hasAll) return undefined;
    if (diffId === undefined) return this.#unknownTap();
    const layer = this.#ranges.layers.find((each) => each.diffId === diffId);
    if (layer === undefined || !this.#missing.has(diffId)) return undefined;
    const writer = rangeWriter(layer, this.#file);
    return {
      write: writer.write,
      commit: (found) => {
        if (found === diffId) this.#commit(layer, writer.end());
      },
      discard() {},
    };
  }

  /** Unpacks what is to be unpacked. Throws a Failure unless all of the old file is there then. */
  async complete(): Promise<void> {
    this.#expectRanges();
    if (this.#isUnpacked) return;
    let end = this.#ranges.rangesSize;
    for (const member of this.#ranges.members) {
      for await (const piece of unpackMember(this, member)) {
        writeAll(this.#file, piece, end);
        end += piece.length;
      }
    }
    this.#isUnpacked = true;
  }

  #expectRanges(): void {
    const [missing] = this.#missing;
    if (missing === undefined) return;
    throw new Failure({
      doing: 'reading the source image',
      because: `the filesystem layer ${missing}, which is read from, is not in it`,
      fix: 'use a bundle that starts from the image that is here',
      kind: 'input',
    });
  }

  /** Closes and removes the file. */
  close(): void {
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }

  #commit(layer: LayerRanges, complete: boolean): void {
    if (!complete) {
      throw new Failure({
        doing: 'reading the source image',
        because: `the filesystem layer ${layer.diffId} is smaller than what is read from it`,
        fix: 'make the bundle anew, or fetch it again',
        kind: 'input',
      });
    }
    this.#missing.delete(layer.diffId);
  }

  #unknownTap(): LayerTap {
    const path = `${this.#path}-${this.#unknown++}`;
    const whole = openSync(path, 'wx+', 0o600);
    let size = 0;
    let open = true;
    const discard = () => {
      if (!open) return;
      open = false;
      closeSync(whole);
      rmSync(path, { force: true });
    };
    return {
      write(bytes) {
        writeAll(whole, bytes, size);
        size += bytes.length;
      },
      commit: (diffId) => {
        try {
          const layer = this.#ranges.layers.find((each) => each.diffId === diffId);
          if (layer === undefined || !this.#missing.has(diffId)) return;
          const last = layer.starts.length - 1;
          const isComplete = layer.starts[last]! + layer.sizes[last]! <= size;
          if (isComplete) copyRanges(layer, whole, this.#file);
          this.#commit(layer, isComplete);
        } finally {
          discard();
        }
      },
      discard,
    };
  }
}

/** Out of a whole tar. */
function copyRanges({ starts, sizes, place }: LayerRanges, tar: number, file: number): void {
  const buffer = Buffer.allocUnsafe(copySize);
  let to = place;
  for (const [at, start] of starts.entries()) {
    const end = start + sizes[at]!;
    for (let from = start; from < end; from += copySize) {
      const piece = buffer.subarray(0, Math.min(copySize, end - from));
      readAll(tar, piece, piece.length, from);
      writeAll(file, piece, to);
      to += piece.length;
    }
  }
}

/** Picks the ranges out of a tar as it comes. */
function rangeWriter({ starts, sizes, place }: LayerRanges, file: number) {
  let range = 0;
  let position = 0;
  let to = place;
  return {
    write(bytes: Uint8Array): void {
      const end = position + bytes.length;
      for (; range < starts.length && starts[range]! < end; range++) {
        const from = Math.max(position, starts[range]!);
        const rangeEnd = starts[range]! + sizes[range]!;
        const piece = bytes.subarray(from - position, Math.min(end, rangeEnd) - position);
        writeAll(file, piece, to);
        to += piece.length;
        if (rangeEnd > end) break;
      }
      position = end;
    },
    /** Whether all ranges were in it. */
    end: () => range === starts.length,
  };
}
