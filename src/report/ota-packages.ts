import type { FileChange, InspectedBundle, InspectedImage, InspectedPackage } from '../delta/inspected.ts';
import { escape } from './escape-html.ts';
import { count } from './github-markdown.ts';
import { formatBytes } from './progress.ts';

const packagesShown = 20;

/** What the packages of each image take of a delta, as tables of HTML. */
export function packageTables({ images }: InspectedBundle): string {
  const carried = images.filter(({ layers }) => layers.some(({ kind }) => kind !== 'reused'));
  return carried
    .map((image) => {
      const name = carried.length === 1 ? '' : ` of ${image.reference ?? image.config.slice(7, 19)}`;
      return `<h2>Packages${escape(name)}</h2>\n${packageTable(image)}`;
    })
    .join('\n');
}

function packageTable({ packages, layers }: InspectedImage): string {
  if (packages === null) return '<p>Unknown: the delta does not have the lists of what is in them.</p>';
  const shown = packages.listed.filter(({ bytes }) => bytes > 0);
  const rest = shown.slice(packagesShown).reduce((sum, { bytes }) => sum + bytes, packages.others.bytes);
  const more = Math.max(0, shown.length - packagesShown) + packages.others.packages;
  const overhead = layers.reduce((sum, layer) => sum + (layer.overhead ?? 0), 0);
  const rows = [
    ...shown.slice(0, packagesShown).map((each) => [each.bytes, nameOf(each), changesOf(each)] as const),
    ...(more > 0 ? [[rest, count(more, 'more package'), ''] as const] : []),
    [packages.none.bytes, 'files of no package', count(packages.none.count, 'file')] as const,
    [overhead, 'headers and names of filesystem layers', ''] as const,
  ];
  const most = Math.max(1, ...rows.map(([bytes]) => bytes));
  return `<table class="packages">
<tr><th>Bytes</th><th class="wide"></th><th>Package</th><th>Files</th></tr>
${rows.map(([bytes, name, files]) => row(bytes, bytes / most, name, files)).join('\n')}
</table>`;
}

function row(bytes: number, share: number, name: string, files: string): string {
  const bar = `<div class="bar" style="width: ${(100 * share).toFixed(1)}%"></div>`;
  return `<tr><td>${formatBytes(bytes)}</td><td class="wide">${bar}</td><td>${escape(name)}</td><td>${escape(files)}</td></tr>`;
}

function nameOf({ kind, name, version }: InspectedPackage): string {
  return `${name} ${version ?? ''}${kind === 'python' ? ' (Python)' : ''}`;
}

const changes: readonly FileChange[] = ['new', 'changed', 'moved', 'header-only', 'unchanged'];

function changesOf({ totals }: InspectedPackage): string {
  return changes
    .flatMap((change) => (totals[change] === undefined ? [] : `${totals[change].count} ${change}`))
    .join(', ');
}
