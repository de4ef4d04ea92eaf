import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { newFolder } from './archive.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

export interface Stanza {
  [field: string]: string;
}

/**
 * What a reader finds that trusts InRelease alone: checked by gpgv, then each index by hash, then each file of the
 * pool. Throws on anything that is not as listed.
 */
export function readArchive(
  site: string,
  suite = 'stable',
  from = readFileSync(join(site, `dists/${suite}/InRelease`), 'utf8'),
) {
  const ring = readdirSync(site).find((name) => name.endsWith('.gpg'))!;
  const folder = newFolder('reader');
  const document = join(folder, 'InRelease');
  writeFileSync(document, from);
  const text = execFileSync('gpgv', ['--quiet', '--keyring', join(site, ring), '--output', '-', document], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  rmSync(folder, { recursive: true });
  const packages: Stanza[] = [];
  for (const [, hash, size, path] of text.matchAll(/^ ([0-9a-f]{64}) ([0-9]+) (\S+)$/gm)) {
    if (path!.endsWith('/Packages')) continue;
    const bytes = readFileSync(join(site, 'dists', suite, path!, '../by-hash/SHA256', hash!));
    assert.equal(bytes.length, Number(size));
    assert.equal(sha256(bytes), hash);
    if (!path!.endsWith('.zst')) continue;
    for (const paragraph of zstdDecompressSync(bytes).toString().split('\n\n')) {
      if (paragraph.trim() === '') continue;
      packages.push(
        Object.fromEntries([...paragraph.matchAll(/^(\S+): (.*)$/gm)].map(([, name, value]) => [name, value])),
      );
    }
  }
  for (const { Filename, SHA256 } of packages) {
    if (existsSync(join(site, 'pool'))) assert.equal(sha256(readFileSync(join(site, Filename!))), SHA256);
  }
  return packages;
}
/** Those that a suite lists of one package, the newest first. */
export const versions = (site: string, name = 'hello', suite?: string) =>
  readArchive(site, suite)
    .filter((each) => each.Package === name)
    .map((each) => each.Version);
