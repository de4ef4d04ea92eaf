import { AddressMap } from './addresses.ts';
import { operandMask, operandOf, pageMask, withOperand } from './aarch64.ts';
import { fieldKind } from './field.ts';
import type { Model, ModelSection } from './model.ts';
import { OffsetMap, type Copies } from './offset-map.ts';

const learnedBits = 18;

/**
 * Foretells fields of the new file from those of the old one, and learns from what they turn out to be: an address that
 * went elsewhere than the map says goes there the next time, too. Encoder and decoder do the same in the same order.
 */
export class Predictor {
  readonly #old: AddressMap;
  readonly #new: AddressMap;
  readonly #map: OffsetMap;
  readonly #oldSize: number;
  /** How much further what lies behind the files' last bytes is. */
  readonly #zeros: number;
  readonly #targets = new Int32Array(2 ** learnedBits);
  readonly #shifts = new Int32Array(2 ** learnedBits);
  /** What was fetched last: looking for it is not left out then. */
  readonly #fetched = new Int32Array(1);
  /** The page that each register held last in the new file. */
  readonly #pages = new Int32Array(32);

  constructor(model: Model, copies: Copies, oldSize: number) {
    this.#old = new AddressMap(model.old.segments);
    this.#new = new AddressMap(model.text.segments);
    this.#oldSize = oldSize;
    this.#zeros = this.#new.fileEnd - this.#old.fileEnd;
    this.#map = new OffsetMap(copies, oldSize, staysInSection(model, copies));
  }

  /**
   * The four bytes that a field most likely became. `position`: where, in the new file; `word`: its old bytes; `target`
   * and `base`: as found, `base` being the new section's for the kinds that count from one.
   */
  predict(kind: number, position: number, word: number, target: number, base: number): number {
    switch (kind) {
      case fieldKind.relative:
        return (this.#address(target) - this.#new.addressOf(position) - base) | 0;
      case fieldKind.distance:
        return (this.#address(target) - this.#new.addressOf(position)) | 0;
      case fieldKind.address:
        return this.#address(target);
      case fieldKind.fromAddress:
        return (this.#address(target) - base) | 0;
      case fieldKind.fromOffset:
        return (this.#offset(target) - base) | 0;
      case fieldKind.back:
        return (position - this.#offset(target)) | 0;
      case fieldKind.table:
        return (this.#address(target) - this.#mapped(base)) | 0;
      case fieldKind.page: {
        const page = this.#new.addressOf(position) & ~pageMask;
        return withOperand(kind, word, (this.#address(target) & ~pageMask) - page);
      }
      case fieldKind.lowAdd:
      case fieldKind.lowLoad:
        return withOperand(kind, word, this.#address(target) & pageMask);
      default:
        return withOperand(kind, word, (this.#address(target) - this.#new.addressOf(position)) | 0);
    }
  }

  /**
   * Looks at what was learned of the targets from `start` on and before `end`, all at once: asked for one by one, each has
   * the processor wait for memory.
   */
  fetch(targets: Int32Array, start: number, end: number): void {
    let fetched = 0;
    for (let each = start; each < end; each++) {
      fetched |= this.#targets[Math.imul(targets[each]!, 0x9e3779b1) >>> (32 - learnedBits)]!;
    }
    this.#fetched[0] = fetched;
  }

  /** Tells what the field is that was predicted last. */
  learn(kind: number, position: number, target: number, base: number, predicted: number, word: number): void {
    if (kind === fieldKind.relative) {
      if (word !== predicted) this.#teach(target, (this.#new.addressOf(position) + base + word) | 0);
    } else if (kind === fieldKind.address) {
      if (word !== predicted) this.#teach(target, word);
    } else if (kind >= fieldKind.branch26) this.#learnInstruction(kind, position, target, predicted, word);
  }

  #learnInstruction(kind: number, position: number, target: number, predicted: number, word: number): void {
    if (kind === fieldKind.page) {
      // Whatever stands there now: only its registers and its operand are of use.
      const page = this.#new.addressOf(position) & ~pageMask;
      this.#pages[word & 31] = page + operandOf(kind, word);
      return;
    }
    if (((word ^ predicted) & ~operandMask[kind]!) !== 0) return;
    if (kind === fieldKind.lowAdd || kind === fieldKind.lowLoad) {
      const found = (this.#pages[(word >>> 5) & 31]! + operandOf(kind, word)) | 0;
      if (found !== this.#address(target)) this.#teach(target, found);
    } else if (word !== predicted) {
      this.#teach(target, (this.#new.addressOf(position) + operandOf(kind, word)) | 0);
    }
  }

  #teach(target: number, found: number): void {
    if (!this.#new.inMemory(found)) return;
    const slot = Math.imul(target, 0x9e3779b1) >>> (32 - learnedBits);
    this.#targets[slot] = target;
    this.#shifts[slot] = found - target;
  }

  /** The new address of an old one: as learned, else as mapped. */
  #address(target: number): number {
    const slot = Math.imul(target, 0x9e3779b1) >>> (32 - learnedBits);
    if (this.#targets[slot] === target && target !== 0) return (target + this.#shifts[slot]!) | 0;
    return this.#mapped(target);
  }

  #mapped(address: number): number {
    const offset = this.#old.offsetOf(address);
    if (offset < 0) return this.#old.inMemory(address) ? (address + this.#zeros) | 0 : address;
    const moved = this.#new.addressOf(offset + this.#map.shiftOf(offset));
    return moved < 0 ? address : moved;
  }

  #offset(offset: number): number {
    return offset < 0 || offset >= this.#oldSize ? offset : (offset + this.#map.shiftOf(offset)) | 0;
  }
}

/** Whether the middle of a copy lies in a section of the old file and in the same one of the new. */
function staysInSection(model: Model, copies: Copies): (copy: number) => boolean {
  const { sections } = model.old;
  const newSections = model.text.sections;
  return (copy) => {
    const half = copies.size[copy]! >> 1;
    const before = sectionAt(sections, copies.oldStart[copy]! + half);
    if (before < 0) return false;
    const after = newSections[before]!;
    const place = copies.newStart[copy]! + half;
    return place >= after.start && place < after.start + after.size;
  };
}

/** Index of the section that a byte lies in, or -1. */
export function sectionAt(sections: readonly ModelSection[], position: number): number {
  let low = 0;
  let high = sections.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sections[middle]!.start + sections[middle]!.size <= position) low = middle + 1;
    else high = middle;
  }
  const found = sections[low];
  return found !== undefined && position >= found.start ? low : -1;
}
