import type { ElementWidth } from './tensor-file.ts';

/** docs/layer-delta-format.md describes the planes coding. */
export const planesStreams = [
  'insert',
  'kind',
  'seek',
  'copy',
  'gap',
  'run',
  'difference',
  'data',
  'byte',
  'half0',
  'half1',
  'word0',
  'word1',
  'word2',
  'word3',
] as const;
export type PlanesStream = (typeof planesStreams)[number];

/** The streams of the planes of elements, by their width. */
export const planeStreams = {
  1: ['byte'],
  2: ['half0', 'half1'],
  4: ['word0', 'word1', 'word2', 'word3'],
} as const satisfies Record<ElementWidth, readonly PlanesStream[]>;

/** Kinds of operations: a copy with differences of bytes; differences of elements, whose kind is their width; elements alone. */
export const copyKind = 0;
export const aloneKind = 16;
