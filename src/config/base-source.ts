import { resolve } from 'node:path';
import { isTag } from '../oci/reference.ts';
import type { BaseSource } from './config.ts';
import { Wrong } from './wrong.ts';

/** `oci:DIR[:REF]`, as in containers-transports(5). DIR is relative to `root`. Throws a Wrong. */
export function parseBaseSource(text: string, root: string): BaseSource {
  const form = 'write oci:DIR or oci:DIR:REF, as in oci:./bases/debian';
  if (!text.startsWith('oci:')) throw new Wrong('a base comes from an OCI image layout', form);
  const rest = text.slice('oci:'.length);
  const colon = rest.lastIndexOf(':');
  const folder = colon < 0 ? rest : rest.slice(0, colon);
  const reference = colon < 0 ? undefined : rest.slice(colon + 1);
  if (folder === '') throw new Wrong('oci: names no folder', form);
  if (reference !== undefined && !isTag(reference)) throw new Wrong(`${JSON.stringify(reference)} is not a tag`, form);
  const path = resolve(root, folder);
  return reference === undefined ? { kind: 'oci', path, text } : { kind: 'oci', path, reference, text };
}
