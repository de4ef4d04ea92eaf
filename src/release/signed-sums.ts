import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../files/durable-write.ts';
import type { SigningKey } from '../signing/openpgp.ts';

/**
 * Writes the sums of files into their folder, and with a key its detached signature (armoured) as `<name>.asc`. Without
 * one no signature stays behind: it would be of other sums. Returns the paths of both.
 */
export async function writeSignedSums(
  folder: string,
  name: string,
  sums: readonly { file: string; sha256: string }[],
  key: SigningKey | undefined,
): Promise<{ file: string; signature: string | undefined }> {
  const file = join(folder, name);
  const text = formatSums(sums);
  const signed = await key?.signDetached(Buffer.from(text));
  // Between the two writes there is no signature, rather than one that does not fit.
  await rm(`${file}.asc`, { force: true });
  await replaceFile(file, (handle) => handle.writeFile(text));
  if (signed === undefined) return { file, signature: undefined };
  await replaceFile(`${file}.asc`, (handle) => handle.writeFile(signed));
  return { file, signature: `${file}.asc` };
}

/** As sha256sum writes it, by name. `file`: without folder; `sha256`: 64 hex digits. */
function formatSums(sums: readonly { file: string; sha256: string }[]): string {
  return sums
    .map(({ file, sha256 }) => `${sha256}  ${file}\n`)
    .toSorted((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1))
    .join('');
}
