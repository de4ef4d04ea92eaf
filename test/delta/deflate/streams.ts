/** Deflate streams by those whose streams are to be made again: Python's zlib, which is zlib's own, and GNU gzip. */
import { execFileSync } from 'node:child_process';
import { Deflater } from '../../../src/delta/deflate/deflater.ts';
import type { DeflateProfile } from '../../../src/delta/deflate/profile.ts';
import { noise } from '../sample-image.ts';

const python = `
import base64, json, sys, zlib
def packed(text, level, memory):
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, memory)
    text = base64.b64decode(text)
    return base64.b64encode(b''.join(map(deflate.compress, [text[:70000], text[70000:]])) + deflate.flush()).decode()
json.dump([packed(*each) for each in json.load(sys.stdin)], sys.stdout)
`;
const maxBuffer = 2 ** 28;

/** In the order of `wanted`. */
export function independentStreams(wanted: readonly { text: Buffer; profile: DeflateProfile }[]): Buffer[] {
  const input = wanted
    .filter(({ profile }) => profile.writer === 'zlib')
    .map(({ text, profile }) => [text.toString('base64'), profile.level, profile.hashBits - 7]);
  const made: string[] =
    input.length === 0
      ? []
      : JSON.parse(execFileSync('python3', ['-c', python], { input: JSON.stringify(input), maxBuffer }).toString());
  return wanted.map(({ text, profile }) => {
    if (profile.writer === 'zlib') return Buffer.from(made.shift()!, 'base64');
    // Without a name and a time: ten bytes in front, eight behind.
    return execFileSync('gzip', [`-${profile.level}nc`], { input: text, maxBuffer }).subarray(10, -8);
  });
}

export function deflated(text: Buffer, profile: DeflateProfile, step = 4_099): Buffer {
  const parts: Buffer[] = [];
  const deflater = new Deflater(profile, (bytes) => void parts.push(Buffer.from(bytes)));
  for (let at = 0; at < text.length; at += step) deflater.write(text.subarray(at, at + step));
  deflater.end();
  return Buffer.concat(parts);
}

/** Text of so many words, some of which are frequent. */
export function wordy(words: number, seed: number): Buffer {
  const drawn = noise(2 * words, seed);
  const parts: string[] = [];
  for (let at = 0; at < words; at++) {
    const word = (drawn[2 * at]! * drawn[2 * at + 1]!) >>> (drawn[2 * at]! & 7);
    parts.push(noise(2 + (word % 5), word).toString('base64url'), word % 11 === 0 ? '\n' : ' ');
  }
  return Buffer.from(parts.join(''));
}

/** Few matches, but long ones: gzip ends blocks early. */
export function records(count: number, seed: number): Buffer {
  const ids = noise(3 * count, seed);
  return Buffer.concat(
    Array.from({ length: count }, (_, at) => [ids.subarray(3 * at, 3 * at + 3), Buffer.from('<a field of it>')]).flat(),
  );
}

/** Text, what cannot be compressed, what can be very much, and text again: several windows. */
export function mixture(seed: number): Buffer {
  const text = wordy(14_000, seed);
  const numbers = Buffer.from(Array.from({ length: 30_000 }, (_, at) => (at * at) >>> 9));
  return Buffer.concat([text, noise(45_000, seed), Buffer.alloc(9_000, 'ab'), numbers, text.subarray(3_000, 60_000)]);
}
