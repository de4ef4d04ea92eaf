import type { RandomAccess } from '../source-spool.ts';
import { ggufTensors } from './gguf.ts';
import { onnxTensors } from './onnx.ts';
import { safetensorsTensors } from './safetensors.ts';

/** Bytes of an element, or of what takes its place where numbers are packed into blocks. */
export type ElementWidth = 1 | 2 | 4;

/** Numbers of a model, where they stand in its file. */
export interface Tensor {
  /** Empty where it has none. */
  name: string;
  /** What may be compared element by element has the same type and shape. */
  type: string;
  shape: string;
  width: ElementWidth;
  /** In bytes. */
  start: number;
  size: number;
}

export interface TensorFile {
  format: 'safetensors' | 'gguf' | 'onnx';
  /** In the order of the file; none overlaps another. */
  tensors: Tensor[];
}

/** More tensors than models have: a file with more is coded as any other. */
export const tensorLimit = 2 ** 16;
/** Smaller ones are coded with what is around them; in bytes. */
const smallest = 1024;

const readers = { safetensors: safetensorsTensors, gguf: ggufTensors, onnx: onnxTensors } as const;

/**
 * Finds out by its contents whether a file is a model, and where its tensors are. Undefined for all else, and for a file whose
 * header is cut off or does not hold. Memory: the names of its tensors, and a header of at most 16 MiB.
 */
export function tensorFileOf(file: RandomAccess): TensorFile | undefined {
  if (file.size < smallest) return undefined;
  const format = formatOf(file);
  if (format === undefined) return undefined;
  try {
    const tensors = (readers[format](file) ?? []).filter(({ size }) => size >= smallest);
    tensors.sort((a, b) => a.start - b.start);
    const apart = tensors.every(({ start, size }, at) => start + size <= (tensors[at + 1]?.start ?? file.size));
    return apart && tensors.length > 0 ? { format, tensors } : undefined;
  } catch (error) {
    // What a header says that is not so.
    if (error instanceof RangeError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What a file may be, by its first bytes: most files are told apart by these alone. */
function formatOf(file: RandomAccess): TensorFile['format'] | undefined {
  const bytes = Buffer.allocUnsafe(9);
  file.read(0, bytes.length, bytes);
  if (bytes.toString('latin1', 0, 4) === 'GGUF') return 'gguf';
  // The JSON behind its size.
  if (bytes[8] === 0x7b) return 'safetensors';
  // The first field of the files that exporters write, `ir_version`.
  return bytes[0] === 0x08 ? 'onnx' : undefined;
}
