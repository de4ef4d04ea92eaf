import type { RandomAccess } from '../source-spool.ts';
import { Cursor } from './cursor.ts';
import { tensorLimit, type ElementWidth, type Tensor } from './tensor-file.ts';

const magicSize = 4;
const nameLimit = 4096;
const alignmentKey = 'general.alignment';
/** Arrays of arrays; nobody writes more than one within another. */
const depthLimit = 4;
const dimensionLimit = 8;

/** By type: how many elements are packed together, and into how many bytes. Others are bytes like all else. */
const packed: Record<number, [elements: number, bytes: number]> = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  9: [32, 36],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  15: [256, 292],
  16: [256, 66],
  17: [256, 74],
  18: [256, 98],
  19: [256, 50],
  20: [32, 18],
  21: [256, 110],
  22: [256, 82],
  23: [256, 136],
  24: [1, 1],
  25: [1, 2],
  26: [1, 4],
  29: [256, 56],
  30: [1, 2],
};

/** Bytes of values of metadata, by type; 8 is text, 9 an array. */
const valueSizes: Record<number, number> = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/** https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little end first. Undefined for other files. */
export function ggufTensors(file: RandomAccess): Tensor[] | undefined {
  const cursor = new Cursor(file);
  cursor.skip(magicSize);
  if (![2, 3].includes(cursor.uint32())) return undefined;
  const count = cursor.uint64();
  if (count > tensorLimit) return undefined;
  let alignment = 32;
  for (let left = cursor.uint64(); left > 0; left--) {
    const key = text(cursor);
    const type = cursor.uint32();
    if (key === alignmentKey && type === 4) alignment = cursor.uint32();
    else skipValue(cursor, type, depthLimit);
  }
  const listed = Array.from({ length: count }, () => {
    const name = text(cursor) ?? '';
    const dimensions = cursor.uint32();
    if (dimensions > dimensionLimit) throw new RangeError(`${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => cursor.uint64());
    return { name, shape, type: cursor.uint32(), offset: cursor.uint64() };
  });
  if (alignment === 0) return undefined;
  const data = Math.ceil(cursor.position / alignment) * alignment;
  return listed.flatMap(({ name, shape, type, offset }): Tensor[] => {
    const how = packed[type];
    if (how === undefined) return [];
    const [elements, bytes] = how;
    const size = (shape.reduce((product, each) => product * each, 1) / elements) * bytes;
    if (!Number.isSafeInteger(size) || data + offset + size > file.size) throw new RangeError(`a tensor of ${size}`);
    const width = (elements === 1 ? bytes : 1) as ElementWidth;
    return [{ name, type: String(type), shape: shape.join(), width, start: data + offset, size }];
  });
}

/** Undefined where it is too long to be the name of anything. */
function text(cursor: Cursor): string | undefined {
  const size = cursor.uint64();
  if (size <= nameLimit) return cursor.bytes(size).toString('utf8');
  cursor.skip(size);
  return undefined;
}

function skipValue(cursor: Cursor, type: number, depth: number): void {
  const size = valueSizes[type];
  if (size !== undefined) cursor.skip(size);
  else if (type === 8) cursor.skip(cursor.uint64());
  else if (type === 9 && depth > 0) {
    const of = cursor.uint32();
    const count = cursor.uint64();
    const each = valueSizes[of];
    if (each !== undefined) cursor.skip(count * each);
    else for (let left = count; left > 0; left--) skipValue(cursor, of, depth - 1);
  } else throw new RangeError(`a value of type ${type}`);
}
