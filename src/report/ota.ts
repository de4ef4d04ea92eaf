import { adviceOn } from '../delta/advice.ts';
import type { AppliedBundle } from '../delta/apply/apply.ts';
import type {
  FileChange,
  HostPackage,
  InspectedBundle,
  InspectedFile,
  InspectedImage,
  InspectedLayer,
  InspectedPackage,
} from '../delta/inspected.ts';
import type { DeltaReport, LayerReport } from '../delta/make.ts';
import type { Decoder } from '../delta/prove.ts';
import type { ReadPackage } from '../delta/prove-packages.ts';
import type { VerifiedBundle } from '../delta/verify.ts';
import type { PublishedBundle } from '../release/publish-bundle.ts';
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

/** By what a delta was applied before it got its name. */
export function provenText(decoder: Decoder): string {
  switch (decoder.name) {
    case 'imgbuild':
      return 'applied and compared';
    case 'imgbuild-ota':
      return `applied and compared by the device program of ${decoder.version}`;
  }
}

/** What `ota diff` made: a line for each filesystem layer, and what a pull would have moved. */
export function renderDelta(report: DeltaReport, style: Style): string {
  const lines = [
    `${style.bold(report.path)}  ${formatBytes(report.bytes)}`,
    `  ${report.from} → ${report.to}, ${provenText(report.provenBy)}`,
  ];
  for (const image of report.images) {
    lines.push(`  ${image.reference ?? short(image.config)}`);
    for (const layer of image.layers) {
      const sizes = layer.kind === 'reused' ? '' : `, ${formatBytes(layer.bytes)} of ${formatBytes(layer.pullBytes)}`;
      lines.push(style.dim(`    ${short(layer.diffId)}  ${kindOf(layer)}${sizes}`));
    }
  }
  lines.push(...renderHostPackages(report.packages, style));
  if (report.pullBytes > 0) {
    const what = report.packages.some(({ bytes }) => bytes > 0)
      ? 'filesystem layers and packages'
      : 'filesystem layers';
    const pull = `  a pull would move ${formatBytes(report.pullBytes)} of ${what}`;
    const isLess = report.bytes < report.pullBytes;
    lines.push(isLess ? `${pull}: this is ${share(report.bytes, report.pullBytes)} of it` : pull);
  }
  lines.push(report.signedBy === undefined ? style.yellow('  not signed') : `  signed by ${report.signedBy}`);
  return `${lines.join('\n')}\n`;
}

/** The packages of a release for its host: those that are sent, and how many the device has. */
function renderHostPackages(packages: readonly Omit<HostPackage, 'from'>[], style: Style): string[] {
  const sent = packages.filter(({ bytes }) => bytes > 0);
  const lines = sent.map(({ name, version, kind, bytes }) =>
    style.dim(`    ${name} ${version}, ${kind === 'delta' ? 'delta' : 'whole'}, ${formatBytes(bytes)}`),
  );
  const there = packages.length - sent.length;
  if (packages.length === 0) return [];
  return [`  packages of the host${there === 0 ? '' : `, ${there} on the device already`}`, ...lines];
}

/** Where `ota diff --push` put a delta. */
export function renderPublished(published: readonly PublishedBundle[]): string {
  const lines = published.map(({ reference, outcome, sent }) =>
    outcome === 'present'
      ? `  published before as ${reference}`
      : `  published as ${reference}, ${formatBytes(sent)} sent`,
  );
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
    lines.push(...renderPackages(image, style));
  }
  lines.push(...renderHostPackages(bundle.hostPackages, style));
  lines.push(`  manifests, signature and the like: ${formatBytes(bundle.documents)}`);
  const advice = adviceOn(bundle);
  if (advice.length > 0) lines.push('  what would make it smaller');
  for (const each of advice.slice(0, filesShown)) lines.push(`    ${adviceText(each)}`);
  return `${lines.join('\n')}\n`;
}

function renderLayer(layer: InspectedLayer, style: Style): string[] {
  const size = layer.uncompressed === undefined ? '' : ` for ${formatBytes(layer.uncompressed)}`;
  const bytes = layer.kind === 'reused' ? '' : `, ${formatBytes(layer.bytes)}${size}`;
  const lines = [`    ${short(layer.diffId)}  ${kindOf(layer)}${bytes}`];
  if (layer.totals !== undefined) {
    const counts = changes.flatMap((change) => {
      const total = layer.totals![change];
      return total === undefined ? [] : [`${total.count} ${change} ${formatBytes(total.bytes)}`];
    });
    lines.push(style.dim(`      ${[...counts, `the rest ${formatBytes(layer.overhead ?? 0)}`].join(', ')}`));
  }
  if (layer.files === undefined) {
    if (layer.kind === 'delta') lines.push(style.dim('      files unknown: the delta does not say what they cost'));
    return lines;
  }
  const costly = layer.files.filter(isSent).toSorted((a, b) => b.bytes - a.bytes || (a.path < b.path ? -1 : 1));
  for (const file of costly.slice(0, filesShown)) lines.push(style.dim(`      ${renderFile(file)}`));
  const unlisted = layer.unlisted?.count ?? 0;
  const more = Math.max(0, costly.length - filesShown);
  const rest = costly.slice(filesShown).reduce((sum, { bytes: own }) => sum + own, layer.unlisted?.bytes ?? 0);
  if (more > 0 || unlisted > 0) {
    const where = unlisted === 0 ? '--json has all' : more === 0 ? 'the delta does not name them' : '--json has more';
    lines.push(style.dim(`      ${formatBytes(rest).padStart(9)}  in ${more + unlisted} more: ${where}`));
  }
  return lines;
}

const changes: readonly FileChange[] = ['new', 'changed', 'moved', 'header-only', 'unchanged'];

/** Copies of an old file have next to nothing to be looked at. */
function isSent({ bytes, literal, added }: InspectedFile): boolean {
  return literal === undefined || added === undefined ? bytes > 0 : literal + added > 0;
}

function renderFile({ path, change, source, bytes, literal, differing }: InspectedFile): string {
  const from = source === undefined || source === path ? '' : ` (from ${source})`;
  const parts = [
    literal === undefined ? '' : `${formatBytes(literal)} new`,
    differing === undefined ? '' : `${formatBytes(differing)} ${literal === undefined ? 'differ' : 'differences'}`,
  ].filter(Boolean);
  const more = parts.length === 0 ? '' : `: ${parts.join(', ')}`;
  return `${formatBytes(bytes).padStart(9)}  ${change.padEnd(11)} ${path}${from}${more}`;
}

/** The most costly packages, and what belongs to none. */
function renderPackages({ packages, layers }: InspectedImage, style: Style): string[] {
  if (layers.every(({ kind }) => kind === 'reused')) return [];
  if (packages === null) {
    const isKnown = layers.some(({ files }) => files !== undefined);
    return ['    packages unknown: the delta does not have their lists', ...(isKnown ? [packagesFix] : [])];
  }
  const shown = packages.listed.filter(({ bytes }) => bytes > 0);
  const line = (bytes: number, what: string) => style.dim(`      ${formatBytes(bytes).padStart(9)}  ${what}`);
  const lines = ['    by package', ...shown.slice(0, filesShown).map((each) => line(each.bytes, packageText(each)))];
  const rest = shown.slice(filesShown).reduce((sum, { bytes }) => sum + bytes, packages.others.bytes);
  const more = Math.max(0, shown.length - filesShown) + packages.others.packages;
  if (more > 0) lines.push(line(rest, `in ${more} more`));
  lines.push(line(packages.none.bytes, 'of no package'));
  const overhead = layers.reduce((sum, layer) => sum + (layer.overhead ?? 0), 0);
  lines.push(line(overhead, 'headers and names of filesystem layers'));
  return lines;
}

const packagesFix = '      --from IMAGE, the one that it starts from, has the rest';

/** `libssl3 3.0.15-1 (dpkg): 2 changed, 1 new`. */
function packageText({ kind, name, version, totals }: InspectedPackage): string {
  const counts = changes.flatMap((change) => (totals[change] === undefined ? [] : `${totals[change].count} ${change}`));
  return `${name}${version === undefined ? '' : ` ${version}`} (${kind}): ${counts.join(', ')}`;
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
  for (const { name, version, carried, applied } of bundle.packages) {
    lines.push(`  package ${name} ${version}${packageNote(carried, applied)}`);
  }
  return `${lines.join('\n')}\n`;
}

function packageNote(carried: ReadPackage['carried'], applied: boolean): string {
  if (carried.kind === 'reused') return ', which the device has';
  if (carried.kind === 'whole') return '';
  const from = `, made from the installed files of ${carried.from}`;
  return applied ? from : `${from}, which were not at hand: not tried`;
}

export function renderApplied(applied: AppliedBundle, style: Style): string {
  const lines = [`${style.green('updated')} to ${applied.version}: ${signatureLine(applied.signature)}`];
  for (const { reference, config, outcome } of applied.images) {
    lines.push(`  ${reference ?? config}  ${short(config)}${outcome === 'present' ? ', which was here already' : ''}`);
  }
  lines.push(style.dim(`  ${applied.current} says so`));
  return `${lines.join('\n')}\n`;
}
