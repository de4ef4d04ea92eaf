import { keyringPath } from './keyring.ts';

/** Where apt finds the archive: the site, or the list of mirrors in it that tells where the packages are. */
export interface ArchiveAddress {
  /** Of the site, with a slash at its end. */
  base: string;
  /** Whether `mirrors.txt` of the site is to be followed. */
  mirrored: boolean;
}

/** A file for /etc/apt/sources.list.d (sources.list(5), "deb822-style format"). */
export function formatSources(origin: string, suite: string, address: ArchiveAddress): string {
  const uri = address.mirrored ? `mirror+${address.base}mirrors.txt` : address.base;
  return [
    'Types: deb',
    `URIs: ${uri}`,
    `Suites: ${suite}`,
    'Components: main',
    `Signed-By: ${keyringPath(origin)}`,
    '',
  ].join('\n');
}

/** apt-transport-mirror(1): indexes from the site, packages from `debs`. Both end with a slash. */
export function formatMirrors(base: string, debs: string): string {
  return `${base}\ttype:index\n${debs}\ttype:deb\n`;
}

/** Where the packages are, of a list that `formatMirrors` wrote. */
export function debsOfMirrors(text: string): string | undefined {
  return /^(\S+)\ttype:deb$/m.exec(text)?.[1];
}
