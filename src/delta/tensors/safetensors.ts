import type { RandomAccess } from '../source-spool.ts';
import { Cursor } from './cursor.ts';
import { tensorLimit, type ElementWidth, type Tensor } from './tensor-file.ts';

const headerLimit = 2 ** 24;

/** Types whose elements are compared; those of others are bytes like all else. */
const widths: Record<string, ElementWidth> = {
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

/** https://github.com/huggingface/safetensors#format: the size of a JSON header, the header, tensors. Undefined for other files. */
export function safetensorsTensors(file: RandomAccess): Tensor[] | undefined {
  const cursor = new Cursor(file);
  const size = cursor.uint64();
  if (size > headerLimit) return undefined;
  const header: unknown = JSON.parse(cursor.bytes(size).toString('utf8'));
  if (typeof header !== 'object' || header === null) return undefined;
  const data = cursor.position;
  const entries = Object.entries(header as Record<string, unknown>);
  if (entries.length > tensorLimit) return undefined;
  return entries.flatMap(([name, value]): Tensor[] => {
    const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
    if (name === '__metadata__' || typeof dtype !== 'string' || !Array.isArray(offsets)) return [];
    const [from, to] = offsets as unknown[];
    const width = widths[dtype];
    if (width === undefined || !isPlace(from) || !isPlace(to) || to < from || (to - from) % width !== 0) return [];
    if (to > file.size - data) throw new RangeError(`a tensor up to ${to}`);
    return [{ name, type: dtype, shape: JSON.stringify(shape), width, start: data + from, size: to - from }];
  });
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
