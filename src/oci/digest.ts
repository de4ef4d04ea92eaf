import { createHash } from 'node:crypto';

/** `sha256:` and 64 lower-case hex digits, of the bytes as stored. OCI image spec, descriptor.md, "Digests". */
export type Digest = `sha256:${string}`;

const pattern = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return pattern.test(text);
}

/** Throws a RangeError on anything but a sha256 digest: no other algorithm is in use in registries today. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new RangeError(`not a sha256 digest: ${JSON.stringify(text)}`);
  return text;
}

export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The 64 hex digits alone. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
