import type { PlannedDeb } from '../deb/planned-deb.ts';
import type { DebDecision } from '../deb/decide-debs.ts';
import { shareOut, type PackLeg, type Sharing } from '../deb/share-out.ts';
import type { Reason } from '../plan/plan.ts';
import { listProject, type ListOptions } from './debs.ts';
import type { Project } from './open.ts';

/** What becomes of a package in a release. */
export type PackageFate =
  | { action: 'pack'; reasons: Reason[] }
  /** As it was packed for the release of that version (as dpkg writes it). */
  | { action: 'reuse'; since: string }
  /** Nobody can tell before: its image is not saved yet, or dpkg-buildpackage makes it. */
  | { action: 'later'; because: 'image' | 'build' };

export interface PackagePlan {
  /** `bytes`: of their files; null where those are still to be fetched or made. */
  packages: ({ name: string; version: string; architecture: string; bytes: number | null } & PackageFate)[];
  /** Runners for those that are certain to be packed, and need no image that is still to be built. */
  legs: PackLeg[];
}

/** Bytes that a package counts for whose files are still to be fetched: that takes longer than the packing. */
const unknownBytes = 1_000_000_000;

/**
 * Which packages of a release have to be packed, and on how many runners that is best done. What one runner packs the others
 * find in the store: with a store in a folder nothing is shared out. Fetches no model and packs nothing; throws what is wrong
 * with any package.
 */
export async function planPackages(
  project: Project,
  { sharing, ...options }: ListOptions & { sharing: Sharing },
): Promise<PackagePlan> {
  const { planned, built, decided } = await listProject(project, options);
  const packages: PackagePlan['packages'] = [];
  const bytesOf = new Map<string, number>();
  for (const deb of planned) {
    const { name, of, version, architecture } = deb;
    const plan = decided.get(deb)?.plan;
    const bytes = bytesKnown(deb);
    if (plan?.action === 'make') bytesOf.set(of, (bytesOf.get(of) ?? 0) + (bytes ?? unknownBytes));
    packages.push({ name, version, architecture, bytes, ...fateOf(plan) });
  }
  for (const { name, version, architectures } of built.flatMap(({ drafts }) => drafts)) {
    const architecture = String(architectures);
    packages.push({ name, version, architecture, bytes: null, action: 'later', because: 'build' });
  }
  const toPack = [...bytesOf].map(([name, bytes]) => ({ name, bytes }));
  return { packages, legs: project.config.store.kind === 'folder' ? [] : shareOut(toPack, sharing) };
}

/** Of all its files; null where those of a model are still to be fetched or made. */
export function bytesKnown({ size, later }: Pick<PlannedDeb, 'size' | 'later'>): number | null {
  if (later === undefined) return size;
  return later.known === undefined ? null : later.known.reduce((sum, file) => sum + file.size, size);
}

function fateOf(plan: DebDecision | undefined): PackageFate {
  if (plan === undefined) return { action: 'later', because: 'image' };
  if (plan.action === 'make') return { action: 'pack', reasons: plan.reasons };
  return { action: 'reuse', since: plan.file.version };
}
