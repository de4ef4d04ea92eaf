/**
 * Writes the vectors that other deflaters are tested with: `node test/delta/deflate/make-vectors.ts`. The streams are made by
 * Python's zlib and GNU gzip.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { deflateProfiles } from '../../../src/delta/deflate/profile.ts';
import { independentStreams, mixture, records, wordy } from './streams.ts';

/** `sha256` of the stream that a profile makes of a file. */
export interface DeflateVector {
  file: string;
  profile: number;
  sha256: string;
}

if (import.meta.main) {
  const folder = path.join(import.meta.dirname, 'vectors');
  const files = {
    mixture: mixture(1),
    text: wordy(16_000, 2),
    records: records(4_000, 3),
    short: Buffer.from('short, short, short'),
  };
  const vectors: DeflateVector[] = [];
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(path.join(folder, file), text);
    const streams = independentStreams(deflateProfiles.map((profile) => ({ text, profile })));
    for (const [at, { number }] of deflateProfiles.entries()) {
      const sha256 = createHash('sha256').update(streams[at]!).digest('hex');
      vectors.push({ file, profile: number, sha256 });
    }
  }
  writeFileSync(path.join(folder, 'vectors.json'), `${JSON.stringify(vectors, null, 2)}\n`);
}
