import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isPackageName } from '../deb/relation.ts';
import { Failure } from '../failure.ts';
import { describePublicKeys, type PublicKeyInfo } from '../signing/public-key.ts';
import { keyringPackage } from './keyring.ts';
import { sourcesName } from './index-page.ts';
import type { IndexedPackage } from './package.ts';
import type { PublishOptions } from './publish-options.ts';
import { debsOfMirrors } from './sources-file.ts';
import { readState, type SiteState } from './state.ts';
import { listSuites, readSuite, type Suite } from './suite.ts';

/** The site as it is, and what follows from it. */
export interface Archive {
  origin: string;
  current: Suite | undefined;
  /** Of the suite that is published. */
  packages: readonly IndexedPackage[];
  others: readonly { name: string; packages: readonly IndexedPackage[] }[];
  state: SiteState;
  keys: readonly PublicKeyInfo[];
  /** Where the site is served, with a slash at its end; undefined where nobody has said. */
  base: string | undefined;
  /** Where the folders of release assets are; undefined where the site has its own pool. */
  assetsBase: string | undefined;
  /** Of this release's assets below `assetsBase`, with a slash at its end; undefined where no release is named. */
  inAssets: string | undefined;
}

export async function openArchive(options: PublishOptions): Promise<Archive> {
  const { site, suite, keys, progress } = options;
  const publicKeys = keys.map(({ publicKey }) => publicKey);
  const current = await readSuite(site, suite, options.adopt ? undefined : publicKeys);
  const others: { name: string; packages: IndexedPackage[]; origin: string }[] = [];
  for (const name of await listSuites(site)) {
    const other = name === suite ? undefined : await readSuite(site, name, undefined);
    if (other !== undefined) others.push({ name, packages: other.packages, origin: other.release.origin });
  }
  const before = current?.release.origin ?? others[0]?.origin;
  const origin = options.name ?? before ?? options.defaultName;
  if (!isPackageName(keyringPackage(origin)) || /[^\x20-\x7e]/.test(origin) || origin.length > 64) {
    throw new Failure({
      doing: `naming the archive ${JSON.stringify(origin)}`,
      because: 'it is no name of at most 64 plain characters',
      fix: 'give one with --name',
      kind: 'input',
    });
  }
  if (before !== undefined && before !== origin)
    progress.warn(`the archive was named ${before}: apt on every device will ask before it takes ${origin}`);

  const mirrors = await readText(join(site, 'mirrors.txt'));
  const published = mirrors === undefined ? undefined : debsOfMirrors(mirrors);
  const release = options.assets === undefined ? undefined : new URL(withSlash(options.assets.url)).href;
  const assetsBase = release === undefined ? published : new URL('../', release).href;
  const suites = [suite, ...others.map(({ name }) => name)];
  const base = options.baseUrl === undefined ? await baseOfSources(site, origin, suites) : withSlash(options.baseUrl);
  const refuse = (because: string, fix: string) =>
    new Failure({ doing: `publishing into ${site}`, because, fix, kind: 'input' });
  if (published !== undefined && assetsBase !== published) {
    throw refuse(
      `its packages are assets at ${published}`,
      'publish releases of that repository, or begin an empty site',
    );
  }
  const inPool = [...(current?.packages ?? []), ...others.flatMap(({ packages }) => packages)].length > 0;
  if (options.assets !== undefined && published === undefined && inPool)
    throw refuse('its packages are in its own pool', 'leave --assets-url out, or begin an empty site');
  if (assetsBase !== undefined && base === undefined)
    throw refuse(
      'packages that are release assets are found through the site',
      'say with --base-url where it is served',
    );
  return {
    origin,
    current,
    packages: current?.packages ?? [],
    others,
    state: await readState(site),
    keys: await describePublicKeys(publicKeys.join('\n')),
    base,
    assetsBase,
    inAssets: release === undefined ? undefined : decodeURIComponent(release.slice(assetsBase!.length)),
  };
}

export function withSlash(url: string): string {
  return url.endsWith('/') ? url : `${url}/`;
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Where the sources of one of these suites say that the site is. */
async function baseOfSources(site: string, origin: string, suites: readonly string[]): Promise<string | undefined> {
  for (const suite of suites) {
    const text = await readText(join(site, sourcesName(origin, suite)));
    const base = /^URIs: (?:mirror\+)?(https?:\S+?)(?:mirrors\.txt)?$/m.exec(text ?? '')?.[1];
    if (base !== undefined) return base;
  }
  return undefined;
}
