import { gzipSync } from 'node:zlib';
import type { Compression } from './compression.ts';
import { textFile, type PackageEntry } from './entry.ts';

export interface DocumentedPackage {
  name: string;
  product: string;
  version: string;
  maintainer: string;
  license: string | undefined;
  /** Seconds: the changelog's date. */
  mtime: number;
  compression: Compression;
}

/** Licences whose text every Debian system has (base-files). */
const commonLicenses: Record<string, string> = {
  'Apache-2.0': 'Apache-2.0',
  'GPL-1.0-only': 'GPL-1',
  'GPL-2.0-only': 'GPL-2',
  'GPL-2.0-or-later': 'GPL-2',
  'GPL-3.0-only': 'GPL-3',
  'GPL-3.0-or-later': 'GPL-3',
  'LGPL-2.1-only': 'LGPL-2.1',
  'LGPL-2.1-or-later': 'LGPL-2.1',
  'LGPL-3.0-only': 'LGPL-3',
  'MPL-2.0': 'MPL-2.0',
  'CC0-1.0': 'CC0-1.0',
};

/** What Debian policy wants in every package (12.5, 12.7), for what the contents do not bring themselves. */
export function documents(of: DocumentedPackage, contents: readonly PackageEntry[]): PackageEntry[] {
  const folder = `usr/share/doc/${of.name}`;
  const overrides = lintianOverrides(of, contents);
  // A version with a revision is of a package that is not the software itself (debian-policy 12.7).
  const changelogName = of.version.includes('-') ? 'changelog.Debian.gz' : 'changelog.gz';
  const hasChangelog = contents.some(({ path }) => path.startsWith(`${folder}/changelog`));
  const files = [
    ...(hasChangelog ? [] : [textFile(`${folder}/${changelogName}`, gzipSync(changelog(of), { level: 9 }))]),
    textFile(`${folder}/copyright`, copyright(of)),
    ...(overrides === '' ? [] : [textFile(`usr/share/lintian/overrides/${of.name}`, overrides)]),
  ];
  const own = new Set(contents.map(({ path }) => path));
  return files.filter(({ path }) => !own.has(path));
}

function changelog({ name, version, maintainer, mtime }: DocumentedPackage): string {
  const date = new Date(mtime * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n  * Release ${version}.\n\n -- ${maintainer}  ${date}\n`;
}

/** Machine-readable, as Debian's copyright-format 1.0. */
function copyright({ product, maintainer, license, mtime }: DocumentedPackage): string {
  const year = new Date(mtime * 1000).getUTCFullYear();
  const common = license === undefined ? undefined : commonLicenses[license];
  const text =
    license === undefined
      ? ' No licence was declared for this package: ask the maintainer.'
      : common === undefined
        ? ` The text of the licence ${license} comes with the sources of ${product}.`
        : ` On Debian systems, the text of this licence is in /usr/share/common-licenses/${common}.`;
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    `Upstream-Name: ${product}`,
    `Upstream-Contact: ${maintainer}`,
    '',
    'Files: *',
    `Copyright: ${year} ${maintainer.replace(/ <.*$/, '')}`,
    `License: ${license ?? 'unstated'}`,
    text,
    '',
  ].join('\n');
}

function lintianOverrides({ name, compression }: DocumentedPackage, contents: readonly PackageEntry[]): string {
  const lines: string[] = [];
  if (contents.some(({ path }) => path === 'opt' || path.startsWith('opt/'))) {
    lines.push('# The vendor of this package is not the distribution: /opt is where its files belong (FHS 3.13).');
    lines.push(`${name}: dir-or-file-in-opt`);
  }
  if (compression === 'zstd' || compression === 'strong-zstd') {
    lines.push('# dpkg reads zstd from 1.21.18 on (Debian 12, Ubuntu 18.04).');
    lines.push(`${name}: malformed-deb-archive *data.tar.zst*`);
  }
  if (compression === 'none') {
    lines.push('# What does not shrink is not compressed.');
    lines.push(`${name}: uses-no-compression-for-data-tarball`);
  }
  const tags = new Set(contents.map(tagOfMode).filter((tag) => tag !== undefined));
  if (tags.size > 0) lines.push('# These modes are written in the declaration of the package.');
  lines.push(...[...tags].toSorted().map((tag) => `${name}: ${tag}`));
  return lines.map((line) => `${line}\n`).join('');
}

/** What lintian says of a mode that is not the usual one. */
function tagOfMode(entry: PackageEntry): string | undefined {
  if (entry.type === 'symlink') return undefined;
  if (entry.type === 'directory') return entry.mode === 0o755 ? undefined : 'non-standard-dir-perm';
  if ((entry.mode & 0o6000) !== 0) return 'elevated-privileges';
  return entry.mode === 0o644 || entry.mode === 0o755 ? undefined : 'non-standard-file-perm';
}
