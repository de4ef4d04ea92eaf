import type { RandomAccess } from '../source-spool.ts';
import { Cursor } from './cursor.ts';
import { tensorLimit, type ElementWidth, type Tensor } from './tensor-file.ts';

/** By TensorProto.DataType: float, 8 and 16 bits, 32 bits, half, bfloat16, four kinds of 8 bits. Others are bytes like all else. */
const widths: Record<number, ElementWidth> = {
  1: 4,
  2: 1,
  3: 1,
  4: 2,
  5: 2,
  6: 4,
  10: 2,
  12: 4,
  16: 2,
  17: 1,
  18: 1,
  19: 1,
  20: 1,
};
const nameLimit = 4096;
/** Graphs within attributes of nodes. */
const depthLimit = 8;
const dimensionLimit = 16;

/**
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto: Protocol Buffers, which have no magic: a file counts as a model where
 * all of it reads as one with a graph. Undefined for other files; numbers in files of their own are not in here.
 */
export function onnxTensors(file: RandomAccess): Tensor[] | undefined {
  const cursor = new Cursor(file);
  const found: Tensor[] = [];
  let graphs = 0;
  eachField(cursor, file.size, (field, end) => {
    if (field !== 7) return;
    graphs++;
    readGraph(cursor, end, '', found, depthLimit);
  });
  return graphs > 0 ? found : undefined;
}

/** Calls for each field that has a length, with the end of its bytes; then goes on behind them, whatever was read. */
function eachField(
  cursor: Cursor,
  end: number,
  onBytes: (field: number, end: number) => void,
  onNumber: (field: number, value: number) => void = () => {},
): void {
  while (cursor.position < end) {
    const key = cursor.varint();
    const field = Math.floor(key / 8);
    if (key % 8 === 0) onNumber(field, cursor.varint());
    else if (key % 8 === 1) cursor.skip(8);
    else if (key % 8 === 5) cursor.skip(4);
    else if (key % 8 === 2) {
      const size = cursor.varint();
      const next = cursor.position + size;
      if (next > end) throw new RangeError(`a field of ${size} bytes`);
      onBytes(field, next);
      cursor.position = next;
    } else throw new RangeError(`a field of kind ${key % 8}`);
    if (field === 0) throw new RangeError('a field without a number');
  }
  if (cursor.position > end) throw new RangeError('a field beyond its message');
}

function readGraph(cursor: Cursor, end: number, prefix: string, found: Tensor[], depth: number): void {
  let nodes = 0;
  eachField(cursor, end, (field, fieldEnd) => {
    if (field === 5) readTensor(cursor, fieldEnd, prefix, found);
    if (field === 1) readNode(cursor, fieldEnd, `${prefix}${nodes++}`, prefix, found, depth);
  });
}

/** A tensor of an attribute is known by what its node puts out: that comes before in the file. */
function readNode(cursor: Cursor, end: number, place: string, prefix: string, found: Tensor[], depth: number): void {
  let output: string | undefined;
  eachField(cursor, end, (field, fieldEnd) => {
    if (field === 2) output ??= text(cursor, fieldEnd);
    if (field !== 5) return;
    const owner = output === undefined ? place : `${prefix}${output}`;
    eachField(cursor, fieldEnd, (part, partEnd) => {
      if (part === 5 || part === 10) readTensor(cursor, partEnd, `${owner}\0`, found);
      if ((part === 6 || part === 11) && depth > 0) readGraph(cursor, partEnd, `${owner}/`, found, depth - 1);
    });
  });
}

function readTensor(cursor: Cursor, end: number, prefix: string, found: Tensor[]): void {
  let name = '';
  let type = 0;
  const shape: number[] = [];
  let place: { start: number; size: number } | undefined;
  const put = (size: number) => {
    if (shape.push(size) > dimensionLimit) throw new RangeError('a tensor of many dimensions');
  };
  eachField(
    cursor,
    end,
    (field, fieldEnd) => {
      if (field === 1) while (cursor.position < fieldEnd) put(cursor.varint());
      else if (field === 8) name = text(cursor, fieldEnd) ?? '';
      // Raw bytes, or floats one after the other: the same bytes.
      else if (field === 9 || field === 4) place = { start: cursor.position, size: fieldEnd - cursor.position };
    },
    (field, value) => {
      if (field === 1) put(value);
      else if (field === 2) type = value;
    },
  );
  const width = place === undefined ? undefined : widths[type];
  if (place === undefined || width === undefined || place.size % width !== 0) return;
  found.push({ name: `${prefix}${name}`, type: String(type), shape: shape.join(), width, ...place });
  if (found.length > tensorLimit) throw new RangeError('too many tensors');
}

function text(cursor: Cursor, end: number): string | undefined {
  const size = end - cursor.position;
  return size > nameLimit ? undefined : cursor.bytes(size).toString('utf8');
}
