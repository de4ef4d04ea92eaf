import { fieldOf, parseParagraph } from './paragraph.ts';
import { comparePackages, type IndexedPackage } from './package.ts';
import { keyringPackage, keyringPath } from './keyring.ts';

export interface IndexPage {
  origin: string;
  /** Of the site, with a slash at its end; undefined where it is not known. */
  base: string | undefined;
  /** Address of the packages' files, with a slash at its end, relative or absolute. */
  files: string;
  date: Date;
  suites: readonly { name: string; packages: readonly IndexedPackage[] }[];
  /** 40 hex digits each. */
  fingerprints: readonly string[];
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character]!);

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1,h2{line-height:1.2}pre{background:#f3f4f6;padding:.8rem;overflow:auto;border-radius:6px}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #d8dee4;vertical-align:top}
td.n{text-align:right;white-space:nowrap}code{overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}th,td{border-color:#30363d}a{color:#6cb6ff}}`;

/** The page that people see who open the archive in a browser: one file, no scripts, nothing from elsewhere. */
export function formatIndexPage(page: IndexPage): string {
  const { origin, suites, fingerprints, date } = page;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Packages of ${escape(origin)}</title>
<style>
${style}
</style>
</head>
<body>
<h1>Packages of ${escape(origin)}</h1>
<h2>Install from here</h2>
<p>On Debian 11, Ubuntu 22.04 and newer, as root:</p>
<pre>${escape(instructions(page))}</pre>
<p>Signed by ${fingerprints.map((each) => `<code>${escape(each)}</code>`).join(' and ')}.</p>
${suites.map((suite) => formatSuite(suite, page.files)).join('\n')}
<p>Published ${escape(date.toISOString().replace('T', ' ').replace(/\..*/, ' UTC'))}.</p>
</body>
</html>
`;
}

function instructions({ origin, base, suites }: IndexPage): string {
  const from = base ?? 'SITE/';
  const suite = suites[0]?.name ?? 'stable';
  return [
    `curl -fsSL -o ${keyringPath(origin)} ${from}${keyringPackage(origin)}.gpg`,
    `curl -fsSL -o /etc/apt/sources.list.d/${sourcesName(origin, suite)} ${from}${sourcesName(origin, suite)}`,
    'apt-get update',
    `apt-get install ${keyringPackage(origin)}`,
  ].join('\n');
}

/** `ccai.sources`, or for another suite than stable `ccai-beta.sources`. */
export function sourcesName(origin: string, suite: string): string {
  const name = keyringPackage(origin).replace(/-archive-keyring$/, '');
  return `${name}${suite === 'stable' ? '' : `-${suite}`}.sources`;
}

function formatSuite({ name, packages }: IndexPage['suites'][number], files: string): string {
  const rows = packages.toSorted(comparePackages).map((each) => {
    const [synopsis = ''] = (fieldOf(parseParagraph(each.text), 'Description') ?? '').split('\n');
    const link = files + each.filename.split('/').map(encodeURIComponent).join('/');
    return (
      `<tr><td><a href="${escape(link)}">${escape(each.name)}</a></td><td>${escape(each.version)}</td>` +
      `<td>${escape(each.architecture)}</td><td class="n">${formatSize(each.size)}</td><td>${escape(synopsis)}</td></tr>`
    );
  });
  return `<h2>${escape(name)}</h2>
<table>
<thead><tr><th>Package</th><th>Version</th><th>Architecture</th><th>Size</th><th>What it is</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`;
}

function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
