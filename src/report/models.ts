import { unusedAfter, type CacheItem } from '../fetch/clean-cache.ts';
import { hexOf } from '../oci/digest.ts';
import type { PlannedModel, PublishedModel } from '../model/publish.ts';
import { formatBytes } from './progress.ts';
import { describeReason } from './reason.ts';
import { formatAge } from './store.ts';

const reasonsShown = 20;

interface ListedFile {
  path: string;
  size: number;
  sha256: string;
}

function count(files: readonly unknown[]): string {
  return `${files.length} ${files.length === 1 ? 'file' : 'files'}`;
}

/** A line a model, and one for each of its files. */
export function renderFiles(models: readonly { name: string; files: readonly ListedFile[] }[]): string {
  return models
    .map(({ name, files }) => {
      const size = files.reduce((sum, file) => sum + file.size, 0);
      const lines = files.map((file) => `  sha256:${file.sha256}  ${formatBytes(file.size)}  ${file.path}\n`);
      return `${name}: ${formatBytes(size)} in ${count(files)}\n${lines.join('')}`;
    })
    .join('');
}

/** A line a model: that it is there as it is declared, or that it is not and why. */
export function renderModelPlan(models: readonly PlannedModel[]): string {
  const width = Math.max(...models.map(({ surveyed }) => surveyed.model.name.length));
  return models
    .map(({ surveyed, plan }) => {
      const name = surveyed.model.name.padEnd(width);
      if (!isPublished(surveyed)) return `${name}  (not published: targets: ${surveyed.model.targets.join(', ')})\n`;
      if (plan.action === 'reuse') {
        const { digest, version } = plan.saved;
        return `${name}  reuse    ${hexOf(digest).slice(0, 12)}${version === undefined ? '' : `  ${version}`}\n`;
      }
      const [first, ...rest] = plan.reasons.slice(0, reasonsShown).map(describeReason);
      const more = plan.reasons.length - reasonsShown;
      const indent = ' '.repeat(width + 11);
      const lines = [...rest, ...(more > 0 ? [`and ${more} more`] : [])].map((text) => `${indent}${text}\n`);
      return `${name}  publish  ${first}\n${lines.join('')}`;
    })
    .join('');
}

function isPublished({ model }: PlannedModel['surveyed']): boolean {
  return model.targets.includes('modelpack');
}

/** `models --list --json`: what a plan says of each model. */
export function modelPlanJson({ surveyed, repository, plan }: PlannedModel): object {
  const { name, license, format, targets, sources } = surveyed.model;
  const reuse = plan.action === 'reuse';
  return {
    name,
    license: license ?? null,
    format: format ?? null,
    targets,
    repository,
    fingerprint: plan.fingerprint,
    action: isPublished(surveyed) ? (reuse ? 'reuse' : 'publish') : 'none',
    digest: reuse ? plan.saved.digest : null,
    version: reuse ? (plan.saved.version ?? null) : null,
    comparedWith: reuse ? null : (plan.former?.digest ?? null),
    reasons: reuse ? [] : plan.reasons.slice(0, reasonsShown),
    reasonCount: reuse ? 0 : plan.reasons.length,
    files: surveyed.local.map(({ to, path, size, sha256 }) => ({ path: to, from: path, size, sha256 })),
    sources: sources.map((source) => {
      if (source.from === 'oci') return { oci: source.text, sha256: source.sha256 };
      const { as: path, sha256 } = source;
      return source.from === 'url' ? { path, url: source.url, sha256 } : { path, file: source.path, sha256 };
    }),
  };
}

/** What is in the store now, and what that took. */
export function renderPublished(published: readonly PublishedModel[], store: string): string {
  return published
    .map(({ repository, digest, version, outcome, moved }) => {
      const parts = [
        ...(moved.uploaded > 0 ? [`${formatBytes(moved.uploaded)} sent`] : []),
        ...(moved.mounted > 0 ? [`${formatBytes(moved.mounted)} mounted`] : []),
        ...(moved.present > 0 && outcome === 'published' ? [`${formatBytes(moved.present)} there before`] : []),
      ];
      const how = outcome === 'reused' ? 'unchanged' : parts.join(', ') || 'published';
      return `${store}/${repository}@${digest}  ${version ?? '(no release)'}  ${how}\n`;
    })
    .join('');
}

/** `models --clean`: `removed` is null where nothing was to be removed yet. */
export function renderCache(cache: {
  folder: string;
  items: readonly CacheItem[];
  unused: readonly CacheItem[];
  removed: readonly CacheItem[] | null;
  now: Date;
}): string {
  const { folder, items, unused, removed, now } = cache;
  const amount = (some: readonly CacheItem[]) =>
    `${count(some)}, ${formatBytes(some.reduce((sum, { size }) => sum + size, 0))}`;
  const lines = unused.map(({ kind, path, size, usedAt }) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const what = kind === 'file' ? `sha256:${name}` : `${kind} ${name}`;
    return `${formatAge(usedAt.toISOString(), now)}  ${formatBytes(size)}  ${what}\n`;
  });
  const stay = items.filter((item) => !unused.includes(item));
  const last =
    removed !== null
      ? `removed: ${amount(removed)}`
      : unused.length === 0
        ? 'nothing to remove'
        : `to remove: ${amount(unused)}; nothing is deleted yet: say it with --yes`;
  return `${lines.join('')}${last}\nin ${folder} for less than ${unusedAfter} days without use: ${amount(stay)}\n`;
}
