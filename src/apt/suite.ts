import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { Failure } from '../failure.ts';
import { openCleartext } from '../signing/clearsign.ts';
import { parsePackages, type IndexedPackage } from './package.ts';
import { parseRelease, type Release } from './release-file.ts';

/** A suite as it is published. */
export interface Suite {
  release: Release;
  packages: IndexedPackage[];
}

const indexLimit = 1024 * 1024 * 1024;
const unzstd = promisify(zstdDecompress);

/**
 * Reads what the InRelease of a suite lists, each index checked against it. `keys`: armoured public keys of which one
 * must have signed it; undefined where nothing that is read gets signed. Undefined where there is no such suite.
 */
export async function readSuite(
  site: string,
  suite: string,
  keys: readonly string[] | undefined,
): Promise<Suite | undefined> {
  const folder = join(site, 'dists', suite);
  const file = join(folder, 'InRelease');
  const document = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (document === undefined) return undefined;
  const broken = (because: string) =>
    new Failure({
      doing: `reading ${file}`,
      because,
      fix: 'restore the site from a copy, or publish all packages into an empty folder',
      kind: 'input',
    });
  let release: Release;
  try {
    release = parseRelease(keys === undefined ? withoutSignature(document) : await openCleartext(document, keys, file));
  } catch (error) {
    if (error instanceof RangeError) throw broken(error.message);
    if (!(error instanceof Failure)) throw error;
    throw new Failure({
      doing: error.doing,
      because: error.because,
      fix: 'sign with the key of this site beside the new one (`imgbuild apt key rotate`); --adopt takes over what stands there as it is',
      kind: 'input',
    });
  }
  const packages: IndexedPackage[] = [];
  for (const plain of release.entries.filter(({ path }) => path.endsWith('/Packages'))) {
    const packed = release.entries.find(({ path }) => path === `${plain.path}.zst`);
    const bytes = packed === undefined ? undefined : await readIndex(folder, packed);
    if (bytes === undefined) throw broken(`${plain.path}.zst, which it lists, is not there as listed`);
    const text = await unzstd(bytes, { maxOutputLength: Math.min(plain.size + 1, indexLimit) }).catch(() => undefined);
    if (text === undefined || sha256(text) !== plain.sha256) throw broken(`${plain.path} is not what it lists`);
    try {
      packages.push(...parsePackages(text.toString('utf8')));
    } catch (error) {
      throw broken(`${plain.path}: ${(error as Error).message}`);
    }
  }
  return { release, packages };
}

/** By hash first: the plain name may already be that of a publication that was stopped. */
async function readIndex(
  folder: string,
  { path, sha256: wanted }: { path: string; sha256: string },
): Promise<Buffer | undefined> {
  for (const name of [byHashPath(path, wanted), path]) {
    const bytes = await readFile(join(folder, name)).catch(() => undefined);
    if (bytes !== undefined && sha256(bytes) === wanted) return bytes;
  }
  return undefined;
}

/** Where an index also lies (deb-by-hash of the repository format): readers of an old Release still find theirs. */
export function byHashPath(path: string, hash: string): string {
  return `${path.slice(0, path.lastIndexOf('/'))}/by-hash/SHA256/${hash}`;
}

function withoutSignature(document: string): string {
  const start = document.indexOf('\n\n') + 2;
  const end = document.indexOf('\n-----BEGIN PGP SIGNATURE-----');
  return document.slice(start, end === -1 ? undefined : end + 1);
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Names of the suites of a site. */
export async function listSuites(site: string): Promise<string[]> {
  const names = await readdir(join(site, 'dists')).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.toSorted();
}
