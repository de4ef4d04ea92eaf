import { expect, test } from 'vitest';
import { nearestImage } from '../../src/lock/nearest-image.ts';

const own = [
  { layer: 'base', reference: 'bse:1' },
  { layer: 'base', reference: 'ghcr.io/acme/ccai/bse:1' },
  { layer: 'cpu', reference: 'app:cpu' },
  { layer: 'gpu', reference: 'app:gpu' },
  { layer: 'engine', reference: 'service_runtime_engine' },
];
const meant = (reference: string) => nearestImage(reference, own, ['debian:12']);

test.each([
  ['another tag of an own image', 'bse:2', 'bse:1'],
  ['no tag', 'bse', 'bse:1'],
  ['a tag in the store', 'ghcr.io/acme/ccai/bse:typo', 'ghcr.io/acme/ccai/bse:1'],
  ['a name in the store', 'ghcr.io/acme/ccai/bes:1', 'ghcr.io/acme/ccai/bse:1'],
  ['one letter of a short name', 'bae:1', 'bse:1'],
  ['a short name with its own tag', 'apb:gpu', 'app:gpu'],
  ['two letters of a long name', 'servce_runtime_engin', 'service_runtime_engine'],
  ["a layer's name", 'base', 'bse:1'],
  ['one of bases:', 'debain:12', 'debian:12'],
])('%s: %s', (_, written, expected) => expect(meant(written)).toBe(expected));

test.each(['box:1', 'ubuntu:22.04', 'ghcr.io/acme/other/bse:1', 'service_runtime_base', 'debian:12'])(
  '%s is another image',
  (reference) => expect(meant(reference)).toBeUndefined(),
);
