import type { GcDecision } from '../store/gc.ts';
import type { SavedLayer } from '../store/list.ts';
import type { Removed } from '../store/remove.ts';
import type { DamagedTag } from '../store/verify.ts';
import { formatBytes } from './progress.ts';

/** `3 days`, `5 hours`: one unit says enough. */
export function formatAge(savedAt: string | null, now: Date): string {
  if (savedAt === null) return 'unknown';
  const minutes = Math.max(0, (now.getTime() - Date.parse(savedAt)) / 60_000);
  const [value, unit] =
    minutes < 90 ? [minutes, 'minute'] : minutes < 36 * 60 ? [minutes / 60, 'hour'] : [minutes / 1440, 'day'];
  return counted(Math.round(value), unit);
}

function counted(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `store ls`: one line a saved layer, with the releases that need it and the names that stand on it. */
export function renderSaved(layers: readonly SavedLayer[], bytes: number, store: string, now: Date): string {
  if (layers.length === 0) return `nothing is saved in ${store}\n`;
  const head = ['LAYER', 'PLATFORM', 'FINGERPRINT', 'SIZE', 'AGE', 'RELEASES', 'TAGS'];
  const rows = layers.map((layer) => [
    layer.layer ?? layer.repository,
    layer.platform ?? (layer.layer === null ? '?' : 'any'),
    layer.fingerprint.slice(0, 12),
    formatBytes(layer.size),
    formatAge(layer.savedAt, now),
    layer.neededBy.join(' ') || '-',
    `${layer.tags.join(' ') || '-'}${layer.layer === null ? ' (its input manifest is missing: it is not reused)' : ''}`,
  ]);
  return `${columns([head, ...rows])}${counted(layers.length, 'saved layer')}, ${formatBytes(bytes)} together in ${store}\n`;
}

/** `store verify`. */
export function renderDamage(damaged: readonly DamagedTag[], checked: number, store: string): string {
  if (damaged.length === 0)
    return `${counted(checked, 'manifest')} in ${store}, and what they name, are as they were saved\n`;
  return damaged.map(({ repository, tag, why }) => `damaged: ${repository}:${tag}: ${why}\n`).join('');
}

/** `store gc` before anything is deleted. */
export function renderGarbage(decision: GcDecision, store: string, now: Date): string {
  const { remove, removals, bytes } = decision;
  if (removals.length === 0) return `nothing to remove: releases, tags or the newest need all of ${store}\n`;
  const rows = remove.map((layer) => [
    `remove ${layer.layer ?? layer.repository}`,
    layer.platform ?? (layer.layer === null ? '?' : 'any'),
    layer.fingerprint.slice(0, 12),
    formatBytes(layer.size),
    formatAge(layer.savedAt, now),
  ]);
  const lists = removals.filter(({ kind }) => kind === 'inputs').length;
  const kept = counted(decision.keep.length, 'layer');
  return `${columns(rows)}${counted(remove.length, 'layer')} and ${counted(lists, 'input manifest')} to remove, ${formatBytes(bytes)}; ${kept} kept\n`;
}

/** `store gc --yes` afterwards. */
export function renderRemoved(removed: Removed): string {
  const kept = removed.kept
    .map(({ removal, why }) => `kept ${removal.repository}@${removal.digest}: ${why}\n`)
    .join('');
  const freed =
    removed.bytes === null ? 'the registry frees the space by itself' : `${formatBytes(removed.bytes)} freed`;
  return `${kept}removed ${counted(removed.removed.length, 'manifest')}; ${freed}\n`;
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, cell.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
