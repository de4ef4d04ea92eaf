import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { Descriptor } from './descriptor.ts';

/**
 * Passes bytes on and fails before its end when they are not those of the descriptor: more or fewer bytes, or another
 * sha256. Bytes beyond the size are never passed on. `broken` makes the error from the sentence that says what differs.
 */
export function verifying(blob: Pick<Descriptor, 'digest' | 'size'>, broken: (because: string) => Error): Transform {
  const hash = createHash('sha256');
  let seen = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      seen += chunk.length;
      if (seen > blob.size) return done(broken(`it is longer than the ${blob.size} bytes that ${blob.digest} has`));
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      if (seen < blob.size) return done(broken(`it ends after ${seen} of the ${blob.size} bytes of ${blob.digest}`));
      const found = `sha256:${hash.digest('hex')}`;
      done(found === blob.digest ? null : broken(`its bytes are those of ${found}, not of ${blob.digest}`));
    },
  });
}
