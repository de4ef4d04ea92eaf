import { adviceOn } from '../delta/advice.ts';
import type { FileChange, InspectedBundle, InspectedFile, InspectedLayer } from '../delta/inspected.ts';
import { adviceText } from './advice.ts';
import { count } from './github-markdown.ts';
import { escape } from './escape-html.ts';
import { packageTables } from './ota-packages.ts';
import { formatBytes } from './progress.ts';
import { treemap, type PlacedNode, type TreemapNode } from './treemap.ts';

const width = 1200;
const height = 640;
const largestShown = 20;
/** More parts of one folder than people can tell apart. */
const partsShown = 60;

const legend: Record<FileChange | 'other', string> = {
  new: 'sent whole',
  changed: 'differences to an old file',
  moved: 'moved',
  'header-only': 'other times or owners',
  unchanged: 'unchanged',
  other: 'headers, names, manifests',
};

/** Why a delta is as big as it is, for people: one HTML file without scripts or anything from elsewhere. */
export function otaPage(bundle: InspectedBundle): string {
  const title = titleOf(bundle);
  const layers = shownOnce(bundle);
  const files = layers.flatMap(({ files: each = [] }) => each);
  const largest = files.toSorted((a, b) => b.bytes - a.bytes).slice(0, largestShown);
  const advice = adviceOn(bundle);
  const placed = treemap(nodesOf(bundle, layers), { x: 0, y: 0, width, height });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escape(title)}</h1>
<p>${formatBytes(bundle.bytes)} in ${count(layers.length, 'filesystem layer')}${bundle.signed ? ', signed' : ', <strong>not signed</strong>'}. Areas are bytes of the delta.</p>
<p class="legend">${Object.entries(legend)
    .filter(([kind]) => placed.some(({ node }) => node.kind === kind))
    .map(([kind, text]) => `<span><i class="${kind}"></i>${text}</span>`)
    .join(' ')}</p>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="What the delta consists of">
${placed.map(rectangle).join('\n')}
</svg>
${advice.length === 0 ? '' : `<h2>What would make it smaller</h2>\n<ul>\n${advice.map((each) => `<li>${escape(adviceText(each))}</li>`).join('\n')}\n</ul>`}
${changeTable(layers)}
${packageTables(bundle)}
<h2>The largest files</h2>
<table class="files">
<tr><th>Bytes</th><th>File</th><th>Package</th><th></th><th>Its size</th></tr>
${largest.map(row).join('\n')}
</table>
</body>
</html>
`;
}

const tableNames: Record<FileChange, string> = {
  new: 'New',
  changed: 'Changed',
  moved: 'Moved',
  'header-only': 'Other times or owners',
  unchanged: 'Unchanged',
};

/** What became of files, and what that takes; what is left are headers and manifests. */
function changeTable(layers: readonly InspectedLayer[]): string {
  const known = layers.flatMap(({ totals }) => (totals === undefined ? [] : [totals]));
  if (known.length === 0) return '';
  const rows = (Object.keys(tableNames) as FileChange[]).flatMap((change) => {
    const all = known.flatMap((totals) => totals[change] ?? []);
    const sum = (part: 'count' | 'size' | 'bytes') => all.reduce((total, each) => total + each[part], 0);
    if (sum('count') === 0) return [];
    return `<tr><td>${formatBytes(sum('bytes'))}</td><td><i class="${change}"></i>${tableNames[change]}</td><td>${sum('count')}</td><td>${formatBytes(sum('size'))}</td></tr>`;
  });
  return `<h2>What became of files, folders and links</h2>
<table>
<tr><th>Bytes</th><th></th><th></th><th>Their size</th></tr>
${rows.join('\n')}
</table>`;
}

/** Versions are in deltas between releases only. */
function titleOf({ name, from, to, images }: InspectedBundle): string {
  if (from !== null && to !== null) return `${name ?? 'Delta'} ${from} → ${to}`;
  return `Delta to ${images.map(({ reference, config }) => reference ?? config.slice(7, 19)).join(', ')}`;
}

/** Images of one release may carry the same filesystem layer. */
function shownOnce({ images }: InspectedBundle): InspectedLayer[] {
  const carried = images.flatMap(({ layers }) => layers).filter(({ kind }) => kind !== 'reused');
  return [...new Map(carried.map((layer) => [layer.diffId, layer])).values()];
}

function nodesOf(bundle: InspectedBundle, layers: readonly InspectedLayer[]): TreemapNode[] {
  const nodes = layers.map((layer): TreemapNode => {
    const note = `${formatBytes(layer.bytes)}, ${layer.kind === 'whole' ? 'sent whole' : 'as a delta'}`;
    const parts =
      layer.files === undefined
        ? [leaf('files and headers', layer.bytes, 'other', '')]
        : [
            ...foldersOf(layer.files),
            leaf(count(layer.unlisted?.count ?? 0, 'smaller file'), layer.unlisted?.bytes ?? 0, 'folder', 'not named'),
            leaf('headers and names', layer.overhead ?? 0, 'other', ''),
          ];
    const name = `filesystem layer ${layer.diffId.slice(7, 19)}`;
    return { name, weight: layer.bytes, kind: 'folder', note, parts };
  });
  const sent = bundle.hostPackages.filter(({ bytes }) => bytes > 0);
  const debs = sent.map(({ name, version, kind, bytes }) =>
    leaf(
      `package ${name} ${version}`,
      bytes,
      'other',
      `of the host, ${kind === 'delta' ? 'as a delta' : 'sent whole'}`,
    ),
  );
  return [...nodes, ...debs, leaf('manifests and signature', bundle.documents, 'other', '')];
}

function leaf(name: string, weight: number, kind: string, note: string): TreemapNode {
  return { name, weight, kind, note: note === '' ? formatBytes(weight) : `${formatBytes(weight)}, ${note}`, parts: [] };
}

/** Files as a tree; folders with nothing but one folder in them are one. A folder may have bytes of its own. */
function foldersOf(files: readonly InspectedFile[], depth = 0): TreemapNode[] {
  const groups = Map.groupBy(
    files.filter(({ bytes }) => bytes > 0),
    ({ path }) => path.split('/')[depth]!,
  );
  const nodes = [...groups].map(([name, group]): TreemapNode => {
    const inside = group.filter(({ path }) => path.split('/').length > depth + 1);
    const own = group.filter(({ path }) => path.split('/').length <= depth + 1);
    const weight = sumOf(group);
    const [file] = own;
    if (inside.length === 0) return leaf(name, weight, file!.change, `${file!.change}: /${file!.path}`);
    const parts = foldersOf(inside, depth + 1);
    const [only] = parts;
    if (parts.length === 1 && file === undefined) return { ...only!, name: `${name}/${only!.name}` };
    if (file !== undefined)
      parts.push(leaf('the folder itself', sumOf(own), file.change, `${file.change}: /${file.path}`));
    const note = `${formatBytes(weight)} in ${count(group.length, 'file')}`;
    return { name: `${name}/`, weight, kind: 'folder', note, parts };
  });
  const sorted = nodes.toSorted((a, b) => b.weight - a.weight);
  const rest = sorted.slice(partsShown);
  if (rest.length === 0) return sorted;
  const weight = rest.reduce((sum, each) => sum + each.weight, 0);
  return [...sorted.slice(0, partsShown), leaf(`${rest.length} more`, weight, 'folder', '')];
}

function sumOf(files: readonly InspectedFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** About so many pixels are a character of the labels. */
const characterWidth = 6.2;

function rectangle({ node, x, y, width: w, height: h }: PlacedNode): string {
  const room = Math.floor((w - 6) / characterWidth);
  const label = node.name.length <= room ? node.name : room < 4 ? '' : `${node.name.slice(0, room - 1)}…`;
  const at = (value: number) => value.toFixed(1);
  const text = label === '' || h < 13 ? '' : `<text x="${at(x + 3)}" y="${at(y + 11.5)}">${escape(label)}</text>`;
  const place = `x="${at(x)}" y="${at(y)}" width="${at(w)}" height="${at(h)}"`;
  return `<g><title>${escape(`${node.name}: ${node.note}`)}</title><rect class="${node.kind}" ${place}/>${text}</g>`;
}

function row({ bytes, path, change, source, size, package: owner }: InspectedFile): string {
  const from = source === undefined || source === path ? change : `${change}, from /${source}`;
  return `<tr><td>${formatBytes(bytes)}</td><td>/${escape(path)}</td><td>${escape(owner?.name ?? '')}</td><td>${escape(from)}</td><td>${formatBytes(size)}</td></tr>`;
}

const style = `
:root { color-scheme: light dark; --text: #1f2328; --page: #fff; --line: #fff; --folder: #eaeef2; --new: #54aeff; --changed: #eac54f; --moved: #7ccf8a; --header-only: #d2b4f0; --unchanged: #7ccf8a; --other: #afb8c1; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --page: #0d1117; --line: #0d1117; --folder: #21262d; --new: #1f6feb; --changed: #9e6a03; --moved: #238636; --header-only: #8957e5; --unchanged: #238636; --other: #484f58; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); max-width: 1200px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
rect { stroke: var(--line); stroke-width: 1; } text { fill: var(--text); pointer-events: none; }
g:hover > rect { stroke: var(--text); }
.folder { fill: var(--folder); background: var(--folder); }
${Object.keys(legend)
  .map((kind) => `.${kind} { fill: var(--${kind}); background: var(--${kind}); }`)
  .join('\n')}
.legend span { margin-right: 1.2rem; } i { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.4em; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: 0.15rem 0.8rem 0.15rem 0; vertical-align: top; overflow-wrap: anywhere; }
.bar { background: var(--other); height: 0.7em; min-width: 1px; margin-top: 0.45em; } td.wide { width: 25%; } .files td:nth-child(2), .packages td:nth-child(3) { min-width: 9rem; } .files td:nth-child(3) { min-width: 5rem; }
@media (max-width: 800px) { .wide { display: none; } }
td:first-child, td:last-child { white-space: nowrap; font-variant-numeric: tabular-nums; }
.packages td:last-child { white-space: normal; }
`;
