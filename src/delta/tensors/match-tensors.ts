import { createHash } from 'node:crypto';
import { mebibyte } from '../codec/format.ts';
import type { RandomAccess } from '../source-spool.ts';
import type { Tensor, TensorFile } from './tensor-file.ts';

/** A file and its tensors. */
export interface Model extends TensorFile {
  file: RandomAccess;
}

/** What a new tensor is made from: an old one of the same type and shape, whose bytes may be the very same. */
export type TensorSource = { kind: 'same' | 'similar'; old: Tensor } | { kind: 'none' };

export interface MatchedTensors {
  /** Without those that were given another shape: nobody knows which element is which, so they are bytes like all else. */
  text: Model;
  old: Model;
  /** One for each of the new. */
  sources: TensorSource[];
}

/**
 * By contents first, then by name, then, where names are others, in the order of the file. Memory: a hash for each tensor; those
 * that may be equal are read once. `onBytes` may throw to end the work.
 */
export function matchTensors(oldModel: Model, textModel: Model, onBytes: () => void): MatchedTensors {
  const hashOf = hasher(oldModel, textModel, onBytes);
  const byHash = new Map(oldModel.tensors.map((tensor) => [hashOf(oldModel.file, tensor), tensor]));
  const hashes = new Map(textModel.tensors.map((tensor) => [tensor, hashOf(textModel.file, tensor)]));
  const sameAs = (tensor: Tensor) => {
    const hash = hashes.get(tensor);
    return hash === undefined ? undefined : byHash.get(hash);
  };
  const reshaped = new Set<Tensor>();
  const named = new Map(oldModel.tensors.map((tensor) => [`${tensor.type}\0${tensor.name}`, tensor]));
  const namedAs = ({ type, name }: Tensor) => (name === '' ? undefined : named.get(`${type}\0${name}`));
  for (const tensor of textModel.tensors) {
    const old = namedAs(tensor);
    if (old === undefined || isComparable(old, tensor) || sameAs(tensor) !== undefined) continue;
    reshaped.add(tensor).add(old);
  }
  const without = (model: Model) => ({ ...model, tensors: model.tensors.filter((tensor) => !reshaped.has(tensor)) });
  const [old, text] = [without(oldModel), without(textModel)];
  const sources = text.tensors.map((tensor): TensorSource | undefined => {
    const same = sameAs(tensor);
    if (same !== undefined) return { kind: 'same', old: same };
    const similar = namedAs(tensor);
    return similar && { kind: 'similar', old: similar };
  });
  return { text, old, sources: withOthers(sources, text.tensors, old.tensors) };
}

/** Those without a source get, in the order of the file, what no other one has as its source. */
function withOthers(
  sources: readonly (TensorSource | undefined)[],
  tensors: readonly Tensor[],
  old: readonly Tensor[],
): TensorSource[] {
  const taken = new Set(
    sources.map((source) => (source === undefined || source.kind === 'none' ? undefined : source.old)),
  );
  const others = old.filter((tensor) => !taken.has(tensor));
  const byShape = Map.groupBy(others, ({ type, shape, size }) => `${type}\0${shape}\0${size}`);
  return sources.map((source, at): TensorSource => {
    if (source !== undefined) return source;
    const { type, shape, size } = tensors[at]!;
    const next = byShape.get(`${type}\0${shape}\0${size}`)?.shift();
    return next === undefined ? { kind: 'none' } : { kind: 'similar', old: next };
  });
}

function isComparable(one: Tensor, other: Tensor): boolean {
  return one.shape === other.shape && one.size === other.size;
}

/** Undefined for those that cannot be equal to any, by their size. */
function hasher(old: Model, text: Model, onBytes: () => void) {
  const oldSizes = new Set(old.tensors.map(({ size }) => size));
  const sizes = new Set(text.tensors.map(({ size }) => size).filter((size) => oldSizes.has(size)));
  return (file: RandomAccess, { start, size }: Tensor): string | undefined => {
    if (!sizes.has(size)) return undefined;
    const hash = createHash('sha256');
    for (let done = 0; done < size; done += mebibyte) {
      const part = Buffer.allocUnsafe(Math.min(mebibyte, size - done));
      file.read(start + done, part.length, part);
      hash.update(part);
      onBytes();
    }
    return hash.digest('base64');
  };
}
