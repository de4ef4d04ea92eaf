import type { Digest } from '../oci/digest.ts';
import { pullScope, pushScope } from './authorization.ts';
import { RegistryError } from './error.ts';
import type { Transport } from './transport.ts';
import { locationOf } from './upload.ts';

/** Links a blob of another repository. True when it was linked; else the upload that the registry opened instead, if any. */
export async function mountBlob(
  transport: Transport,
  repository: string,
  digest: Digest,
  from: string,
  signal: AbortSignal | undefined,
): Promise<true | URL | undefined> {
  const query = new URLSearchParams({ mount: digest, from });
  try {
    const answer = await transport.ask({
      method: 'POST',
      to: `/v2/${repository}/blobs/uploads/?${query}`,
      scopes: [pushScope(repository), pullScope(from)],
      headers: { 'content-length': '0' },
      accept: [201, 202],
      signal,
    });
    return answer.status === 201 ? true : locationOf(answer);
  } catch (error) {
    // No right to the other repository, or no mounts at all: the upload works without.
    if (error instanceof RegistryError && error.status !== undefined && !error.temporary) return undefined;
    throw error;
  }
}
