import type { ElfSegment } from './image.ts';

/** Segments in order of their offsets and addresses, none over another: each byte has one address at most. */
export function inOrder(segments: readonly ElfSegment[]): boolean {
  return segments.every((each, at) => {
    const before = segments[at - 1];
    return (
      before === undefined ||
      (each.offset >= before.offset + before.size && each.address >= before.address + before.memory)
    );
  });
}

/** Offsets in a file and the addresses that the bytes there are loaded at. */
export class AddressMap {
  readonly #segments: readonly ElfSegment[];
  #last: ElfSegment;

  constructor(segments: readonly ElfSegment[]) {
    this.#segments = segments;
    this.#last = segments[0] ?? { offset: 0, address: 0, size: 0, memory: 0 };
  }

  /** -1 where no byte of the file is loaded at the address. */
  offsetOf(address: number): number {
    const last = this.#last;
    if (address >= last.address && address < last.address + last.size) return address - last.address + last.offset;
    for (const each of this.#segments) {
      if (address < each.address || address >= each.address + each.size) continue;
      this.#last = each;
      return address - each.address + each.offset;
    }
    return -1;
  }

  /** -1 where the byte is not loaded. */
  addressOf(offset: number): number {
    const last = this.#last;
    if (offset >= last.offset && offset < last.offset + last.size) return offset - last.offset + last.address;
    for (const each of this.#segments) {
      if (offset < each.offset || offset >= each.offset + each.size) continue;
      this.#last = each;
      return offset - each.offset + each.address;
    }
    return -1;
  }

  /** Whether something is there when the program runs. */
  inMemory(address: number): boolean {
    for (const each of this.#segments) {
      if (address >= each.address && address < each.address + each.memory) return true;
    }
    return false;
  }

  /** Where the bytes of the file that are loaded last end: what lies behind is zero at first. */
  get fileEnd(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 0 : last.address + last.size;
  }
}
