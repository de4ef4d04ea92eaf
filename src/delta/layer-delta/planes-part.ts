import { BlockSizer } from '../codec/block-sizer.ts';
import { ByteWriter } from '../codec/bytes.ts';
import { blockLimit } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import { encodePlanes } from '../tensors/encode-planes.ts';
import { tensorFileOf } from '../tensors/tensor-file.ts';
import { tensorPieces } from '../tensors/tensor-pieces.ts';
import { planesPart } from './format.ts';

/**
 * Puts out a model coded by the planes of its elements. `old`: the file that it resembles and where that is in the old file.
 * False where it is no model, or what it resembles is none of its format: nothing was put out then. Memory: as for the general
 * coding of a pair of files, of what is between tensors.
 */
export async function encodePlanesPart(
  text: RandomAccess,
  old: { file: RandomAccess; position: number } | undefined,
  level: number,
  onBytes: (bytes: number) => void,
  put: (bytes: Buffer) => void,
): Promise<boolean> {
  const model = tensorFileOf(text);
  if (model === undefined) return false;
  const oldModel = old && tensorFileOf(old.file);
  if (old !== undefined && oldModel?.format !== model.format) return false;
  const head = new ByteWriter(32);
  head.byte(planesPart);
  for (const value of [text.size, old?.position ?? 0, old?.file.size ?? 0]) head.uvarint(value);
  put(Buffer.from(head.view()));
  const pieces = tensorPieces({ ...model, file: text }, old && oldModel && { ...oldModel, file: old.file }, onBytes);
  for await (const block of encodePlanes(pieces, level, new BlockSizer(blockLimit))) put(block);
  return true;
}
