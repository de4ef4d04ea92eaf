import { Failure, Failures, type SourceLocation } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { epochOf, isEpochOf, type Refresh } from './epoch.ts';
import { familiar } from './lock-file.ts';
import { emptyLock, type Lock, type LockedBase } from './lock.ts';
import { nearestImage } from './nearest-image.ts';
import { resolveBase, type BaseSources } from './resolve-base.ts';

/** What the layers need of the outside world. */
export interface Needs {
  /** Normalised references; the same one may come once per platform and place. */
  bases: readonly { reference: string; platform: Platform; use?: { at: SourceLocation; nearStage?: string } }[];
  /** References of `# syntax` lines, as written. */
  syntaxes: readonly { reference: string; at?: SourceLocation }[];
  /** Layers with `refresh:`. */
  epochs: readonly { layer: string; refresh: Refresh }[];
}

export interface Resolved {
  lock: Lock;
  /** What had to be looked up, for messages: `debian:12 (linux/arm64)`. */
  resolved: string[];
}

/**
 * The lock with what it lacks filled in, for a plan; nothing is written. What it has is taken without asking anyone.
 * With `frozen` it throws Failures for every line that is missing or that only one machine's Docker could give; a FROM
 * with a digest needs no line.
 */
export async function resolveMissing(
  lock: Lock,
  needs: Needs,
  sources: BaseSources,
  options: { frozen: boolean; now: Date },
): Promise<Resolved> {
  if (options.frozen) refuse(lock, needs, sources);
  const filled: Lock = { bases: new Map(lock.bases), syntaxes: new Map(lock.syntaxes), epochs: new Map(lock.epochs) };
  const resolved: string[] = [];
  for (const [reference, { platforms, at, nearStage }] of byReference(needs)) {
    const known = usable(lock.bases.get(reference), reference, sources);
    const missing = platforms.filter((platform) => !known?.platforms.has(platformName(platform)));
    if (missing.length === 0) continue;
    const meant = nearStage ?? meantBy(reference, sources);
    const found = await atPlace(at, () => resolveBase(reference, missing, sources, { pinned: known, meant }));
    const merged = new Map([...(known?.platforms ?? []), ...found.platforms]);
    filled.bases.set(reference, { ...found, platforms: merged });
    resolved.push(`${familiar(reference)} (${missing.map(platformName).join(', ')})`);
  }
  for (const { reference, at } of needs.syntaxes) {
    if (filled.syntaxes.has(reference)) continue;
    filled.syntaxes.set(reference, await atPlace(at, () => resolveSyntax(reference, sources)));
    resolved.push(`# syntax=${reference}`);
  }
  for (const { layer, refresh } of needs.epochs) {
    const known = filled.epochs.get(layer);
    if (known === undefined || !isEpochOf(refresh, known)) filled.epochs.set(layer, epochOf(refresh, options.now));
  }
  return { lock: filled, resolved };
}

/** The lock as the outside world is now, with nothing that is not needed. `due` moves the epochs too. */
export async function relock(
  lock: Lock,
  needs: Needs,
  sources: BaseSources,
  options: { due: boolean; now: Date },
): Promise<Lock> {
  const fresh = emptyLock();
  for (const [reference, { platforms, at, nearStage }] of byReference(needs)) {
    const meant = nearStage ?? meantBy(reference, sources);
    fresh.bases.set(reference, await atPlace(at, () => resolveBase(reference, platforms, sources, { meant })));
  }
  for (const { reference, at } of needs.syntaxes) {
    if (fresh.syntaxes.has(reference)) continue;
    fresh.syntaxes.set(reference, await atPlace(at, () => resolveSyntax(reference, sources)));
  }
  for (const { layer, refresh } of needs.epochs) {
    const known = lock.epochs.get(layer);
    const kept = known !== undefined && isEpochOf(refresh, known) && !options.due;
    fresh.epochs.set(layer, kept ? known : epochOf(refresh, options.now));
  }
  return fresh;
}

async function resolveSyntax(reference: string, sources: BaseSources): Promise<Digest> {
  const parsed = parseReference(reference);
  if (parsed.digest) return parsed.digest;
  const reader = await sources.registry(parsed);
  const found = await reader.getManifest(parsed.tag!);
  if (found) return found.descriptor.digest;
  throw new Failure({
    doing: `locking # syntax=${reference}`,
    because: `${parsed.registry} has no such image`,
    fix: 'correct the line, or remove it where the builder needs no other frontend',
    kind: 'input',
  });
}

interface NeededReference {
  platforms: Platform[];
  at: SourceLocation | undefined;
  nearStage: string | undefined;
}

function byReference(needs: Needs): Map<string, NeededReference> {
  const found = new Map<string, NeededReference>();
  for (const { reference, platform, use } of needs.bases) {
    const entry = found.get(reference) ?? { platforms: [], at: use?.at, nearStage: use?.nearStage };
    if (!entry.platforms.some((each) => platformName(each) === platformName(platform))) entry.platforms.push(platform);
    found.set(reference, entry);
  }
  return found;
}

function meantBy(reference: string, { ownImages, layouts }: BaseSources): string | undefined {
  return nearestImage(familiar(reference), ownImages ?? [], [...layouts.keys()].map(familiar));
}

/** A line says nothing any more when `bases:` has come to name another place. */
function usable(line: LockedBase | undefined, reference: string, sources: BaseSources): LockedBase | undefined {
  const layout = sources.layouts.get(reference);
  const fits = layout ? line?.from === layout.text : !line?.from.startsWith('oci:');
  return fits ? line : undefined;
}

function refuse(lock: Lock, needs: Needs, sources: BaseSources): void {
  const failures: Failure[] = [];
  const add = (because: string, at: SourceLocation | undefined, fix = 'run `imgbuild lock` and commit imgbuild.lock') =>
    failures.push(
      new Failure({
        doing: 'planning with --frozen',
        because,
        fix,
        kind: 'input',
        ...(at === undefined ? {} : { at }),
      }),
    );
  for (const [reference, { platforms, at, nearStage }] of byReference(needs)) {
    const shown = familiar(reference);
    const line = usable(lock.bases.get(reference), reference, sources);
    if (line?.from === 'daemon') {
      const fix = `push ${shown} to a registry or name an OCI layout under bases:, then run \`imgbuild lock\``;
      add(`${shown} is locked to an image that only one machine's Docker has`, at, fix);
      continue;
    }
    if (parseReference(reference).digest) continue;
    const missing = platforms.filter((platform) => !line?.platforms.has(platformName(platform)));
    if (missing.length === 0) continue;
    const meant = nearStage ?? meantBy(reference, sources);
    const otherwise = 'run `imgbuild lock` and commit imgbuild.lock';
    const fix = meant === undefined ? otherwise : `did you mean ${meant}? Else ${otherwise}`;
    add(`imgbuild.lock has no ${missing.map(platformName).join(', ')} of ${shown}`, at, fix);
  }
  for (const { reference, at } of needs.syntaxes) {
    if (!lock.syntaxes.has(reference) && !parseReference(reference).digest) {
      add(`imgbuild.lock has no line for # syntax=${reference}`, at);
    }
  }
  for (const { layer, refresh } of needs.epochs) {
    const known = lock.epochs.get(layer);
    if (known === undefined || !isEpochOf(refresh, known)) {
      add(`imgbuild.lock has no ${refresh} epoch for layer ${layer}`, undefined);
    }
  }
  if (failures.length > 0) throw new Failures(failures);
}

/** Says which line of which Dockerfile asked for it. */
async function atPlace<T>(at: SourceLocation | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || error.at || !at) throw error;
    const { doing, because, fix, kind } = error;
    throw new Failure({ doing, because, kind, at, cause: error, ...(fix === undefined ? {} : { fix }) });
  }
}
