import fc from 'fast-check';
import { expect, test } from 'vitest';
import { didYouMean, editDistance } from '../../src/config/did-you-mean.ts';

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['store', 'stroe', 1],
  ['kitten', 'sitting', 3],
  ['context', 'contxt', 1],
])('distance of %j and %j is %i', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

test('a distance is symmetric, and zero only for equal words', () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});

test('nothing near means no guess', () => {
  expect(didYouMean('imag', ['context', 'image'])).toBe('image');
  expect(didYouMean('xyz', ['context', 'image'])).toBeUndefined();
});
