import type { ElementWidth } from './tensor-file.ts';

/**
 * Elements are taken apart into planes, one for each of their bytes, the low one first: exponents are then beside exponents,
 * and bits that are as good as random beside such. Elements are numbers with the low byte first, which is also how every
 * machine that Node runs on reads its typed arrays.
 */
export type Planes = readonly Uint8Array[];

/** Elements that are worked on at once, at most: memory for eight bytes each. */
export const elementsAtOnce = 2 ** 14;

const words = new Int32Array(elementsAtOnce);
const elements = new ArrayBuffer(4 * elementsAtOnce);
const resembled = new ArrayBuffer(4 * elementsAtOnce);
const views = { 1: Int8Array, 2: Int16Array, 4: Int32Array } as const;

/** What each element is more than the old one: small numbers of either sign become small ones without. */
export function splitDifferences(text: Uint8Array, old: Uint8Array, width: ElementWidth, planes: Planes): void {
  const unused = 32 - 8 * width;
  inParts(text.length, width, (start, count) => {
    const now = loaded(elements, text, start, count, width);
    const before = loaded(resembled, old, start, count, width);
    for (let at = 0; at < count; at++) {
      const difference = ((now[at]! - before[at]!) << unused) >> unused;
      words[at] = (difference << 1) ^ (difference >> 31);
    }
    takeApart(planes, start / width, count);
  });
}

/** The reverse: `bytes` hold the old elements, and then the new ones. */
export function joinDifferences(planes: Planes, bytes: Uint8Array, width: ElementWidth): void {
  inParts(bytes.length, width, (start, count) => {
    putTogether(planes, start / width, count);
    const now = loaded(elements, bytes, start, count, width);
    for (let at = 0; at < count; at++) now[at] = now[at]! + ((words[at]! >>> 1) ^ -(words[at]! & 1));
    bytes.set(new Uint8Array(elements, 0, count * width), start);
  });
}

/** Elements as they are, with the bit of the sign at the low end: a plane then has a whole exponent. */
export function splitElements(text: Uint8Array, width: ElementWidth, planes: Planes): void {
  const mask = 2 ** (8 * width) - 1;
  inParts(text.length, width, (start, count) => {
    const now = loaded(elements, text, start, count, width);
    for (let at = 0; at < count; at++) {
      const element = now[at]! & mask;
      words[at] = (element << 1) | (element >>> (8 * width - 1));
    }
    takeApart(planes, start / width, count);
  });
}

export function joinElements(planes: Planes, bytes: Uint8Array, width: ElementWidth): void {
  inParts(bytes.length, width, (start, count) => {
    putTogether(planes, start / width, count);
    const now = new views[width](elements, 0, count);
    for (let at = 0; at < count; at++) now[at] = (words[at]! >>> 1) | ((words[at]! & 1) << (8 * width - 1));
    bytes.set(new Uint8Array(elements, 0, count * width), start);
  });
}

function inParts(size: number, width: ElementWidth, part: (start: number, count: number) => void): void {
  const most = elementsAtOnce * width;
  for (let start = 0; start < size; start += most) part(start, Math.min(most, size - start) / width);
}

function loaded(memory: ArrayBuffer, bytes: Uint8Array, start: number, count: number, width: ElementWidth) {
  new Uint8Array(memory).set(bytes.subarray(start, start + count * width));
  return new views[width](memory, 0, count);
}

function takeApart(planes: Planes, from: number, count: number): void {
  for (const [number, plane] of planes.entries()) {
    for (let at = 0; at < count; at++) plane[from + at] = words[at]! >>> (8 * number);
  }
}

function putTogether(planes: Planes, from: number, count: number): void {
  words.fill(0, 0, count);
  for (const [number, plane] of planes.entries()) {
    for (let at = 0; at < count; at++) words[at]! |= plane[from + at]! << (8 * number);
  }
}
