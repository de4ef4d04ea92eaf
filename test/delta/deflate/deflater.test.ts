import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deflateProfile, deflateProfiles } from '../../../src/delta/deflate/profile.ts';
import type { DeflateVector } from './make-vectors.ts';
import { deflated, independentStreams, mixture, records, wordy } from './streams.ts';
import { noise } from '../sample-image.ts';

const folder = path.join(import.meta.dirname, 'vectors');
const vectors = JSON.parse(readFileSync(path.join(folder, 'vectors.json'), 'utf8')) as DeflateVector[];

test.each(vectors)('vector $file in profile $profile', ({ file, profile, sha256 }) => {
  const made = deflated(readFileSync(path.join(folder, file)), deflateProfile(profile)!);
  expect(createHash('sha256').update(made).digest('hex')).toBe(sha256);
});

test('every level of zlib and gzip, of many kinds of bytes', () => {
  const texts = [
    Buffer.alloc(0),
    Buffer.from('a'),
    Buffer.from('ab'.repeat(3)),
    Buffer.alloc(100_000),
    wordy(30_000, 2),
    records(6_000, 5),
    mixture(3),
    // The last match begins in the last bytes that a window has.
    Buffer.concat([mixture(4).subarray(0, 65_536 - 130), wordy(40, 4), wordy(40, 4)]),
  ];
  const wanted = texts.flatMap((text) => deflateProfiles.map((profile) => ({ text, profile })));
  const streams = independentStreams(wanted);
  for (const [at, { text, profile }] of wanted.entries()) {
    const made = deflated(text, profile, 1 + (at % 9) * 8_191);
    const { writer, level, hashBits } = profile;
    const what = `${text.length} bytes by ${writer} ${level}, ${hashBits}`;
    expect(made.equals(streams[at]!), what).toBe(true);
    expect(inflateRawSync(made).equals(text), what).toBe(true);
  }
}, 60_000);

const piece = fc.oneof(
  fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat({ max: 4_000 }), fc.nat({ max: 9 })).map(([size, seed]) => noise(size, seed)),
  fc.tuple(fc.nat({ max: 5_000 }), fc.nat({ max: 5 })).map(([words, seed]) => wordy(words, seed)),
  fc.tuple(fc.nat({ max: 70_000 }), fc.nat({ max: 255 })).map(([size, byte]) => Buffer.alloc(size, byte)),
);

test('whatever the bytes are, and the pieces in which they come', () => {
  const texts = fc
    .sample(fc.array(piece, { maxLength: 9 }), { numRuns: 24, seed: 7 })
    .map((each) => Buffer.concat(each));
  const wanted = texts.map((text, at) => ({ text, profile: deflateProfiles[(at * 5) % deflateProfiles.length]! }));
  const streams = independentStreams(wanted);
  for (const [at, { text, profile }] of wanted.entries()) {
    expect(deflated(text, profile, 1 + ((at * 733) % 9_000)).equals(streams[at]!), `number ${at}`).toBe(true);
  }
}, 60_000);
