import { adviceOn } from '../delta/advice.ts';
import type { AppliedBundle } from '../delta/apply/apply.ts';
import type { InspectedBundle, InspectedLayer } from '../delta/inspect.ts';
import type { DeltaReport, LayerReport } from '../delta/make.ts';
import type { VerifiedBundle } from '../delta/verify.ts';
import { adviceText } from './advice.ts';
import type { Style } from './failure.ts';
import { formatBytes } from './progress.ts';

const short = (digest: string) => digest.slice('sha256:'.length, 'sha256:'.length + 12);

function share(part: number, whole: number): string {
  if (whole === 0) return '';
  const percent = (100 * part) / whole;
  return `${percent < 9.95 ? percent.toFixed(1) : Math.round(percent)} %`;
}

const kinds: Record<LayerReport['kind'], string> = {
  reused: 'on the device already',
  delta: 'as a delta',
  whole: 'whole',
};

function kindOf({ kind, format }: Pick<LayerReport, 'kind' | 'format'>): string {
  return format === undefined ? kinds[kind] : `${kinds[kind]} (${format})`;
}

/** What `ota diff` made: a line for each filesystem layer, and what a pull would have moved. */
export function renderDelta(report: DeltaReport, style: Style): string {
  const lines = [
    `${style.bold(report.path)}  ${formatBytes(report.bytes)}`,
    `  ${report.from} → ${report.to}, applied and compared`,
  ];
  for (const image of report.images) {
    lines.push(`  ${image.reference ?? short(image.config)}`);
    for (const layer of image.layers) {
      const sizes = layer.kind === 'reused' ? '' : `, ${formatBytes(layer.bytes)} of ${formatBytes(layer.pullBytes)}`;
      lines.push(style.dim(`    ${short(layer.diffId)}  ${kindOf(layer)}${sizes}`));
    }
  }
  if (report.pullBytes > 0) {
    const pull = `  a pull would move ${formatBytes(report.pullBytes)} of filesystem layers`;
    const isLess = report.bytes < report.pullBytes;
    lines.push(isLess ? `${pull}: this is ${share(report.bytes, report.pullBytes)} of it` : pull);
  }
  lines.push(report.signedBy === undefined ? style.yellow('  not signed') : `  signed by ${report.signedBy}`);
  return `${lines.join('\n')}\n`;
}

const filesShown = 20;

/** What `ota inspect` found: filesystem layers, and of each the files that cost most. */
export function renderInspected(bundle: InspectedBundle, style: Style): string {
  const versions = bundle.from === null && bundle.to === null ? '' : `  ${bundle.from ?? '?'} → ${bundle.to ?? '?'}`;
  const lines = [
    `${style.bold(bundle.path)}  ${formatBytes(bundle.bytes)}${versions}${bundle.signed ? '' : `  ${style.yellow('not signed')}`}`,
  ];
  for (const image of bundle.images) {
    lines.push(`  ${image.reference ?? short(image.config)}  ${image.platform.os}/${image.platform.architecture}`);
    for (const layer of image.layers) lines.push(...renderLayer(layer, style));
  }
  const advice = adviceOn(bundle);
  if (advice.length > 0) lines.push('  what would make it smaller');
  for (const each of advice.slice(0, filesShown)) lines.push(`    ${adviceText(each)}`);
  return `${lines.join('\n')}\n`;
}

function renderLayer(layer: InspectedLayer, style: Style): string[] {
  const size = layer.uncompressed === undefined ? '' : ` for ${formatBytes(layer.uncompressed)}`;
  const bytes = layer.kind === 'reused' ? '' : `, ${formatBytes(layer.bytes)}${size}`;
  const lines = [`    ${short(layer.diffId)}  ${kindOf(layer)}${bytes}`];
  if (layer.files === undefined) return lines;
  const count = (change: string) => layer.files!.filter((file) => file.change === change).length;
  const counts = (['new', 'changed', 'moved', 'unchanged'] as const).map((change) => `${count(change)} ${change}`);
  lines.push(style.dim(`      ${counts.join(', ')}; headers and the like ${formatBytes(layer.overhead ?? 0)}`));
  const costly = layer.files
    .filter((file) => file.literal + file.added > 0)
    .toSorted((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  for (const file of costly.slice(0, filesShown)) {
    const from = file.change === 'changed' && file.source !== file.path ? ` (from ${file.source})` : '';
    const parts = [`${formatBytes(file.literal)} new`, `${formatBytes(file.differing)} differences`];
    const cost = formatBytes(file.bytes).padStart(9);
    lines.push(style.dim(`      ${cost}  ${file.change.padEnd(8)} ${file.path}${from}: ${parts.join(', ')}`));
  }
  if (costly.length > filesShown)
    lines.push(style.dim(`      … and ${costly.length - filesShown} more: --json has all`));
  return lines;
}

function signatureLine(signature: VerifiedBundle['signature']): string {
  if (signature === undefined) return 'the signature was not asked for';
  const who = signature.userId === undefined ? '' : ` (${signature.userId})`;
  return `signed by ${signature.fingerprint}${who} at ${signature.signedAt.toISOString()}`;
}

export function renderVerified(bundle: VerifiedBundle, style: Style): string {
  const lines = [`${style.green('good')} ${bundle.path}: ${signatureLine(bundle.signature)}`];
  for (const { reference, config, diffIds } of bundle.images) {
    lines.push(`  ${reference ?? config}: ${diffIds.length} filesystem layers as they should be`);
  }
  return `${lines.join('\n')}\n`;
}

export function renderApplied(applied: AppliedBundle, style: Style): string {
  const lines = [`${style.green('updated')} to ${applied.version}: ${signatureLine(applied.signature)}`];
  for (const { reference, config, outcome } of applied.images) {
    lines.push(`  ${reference ?? config}  ${short(config)}${outcome === 'present' ? ', which was here already' : ''}`);
  }
  lines.push(style.dim(`  ${applied.current} says so`));
  return `${lines.join('\n')}\n`;
}
