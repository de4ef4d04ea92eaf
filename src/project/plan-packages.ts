import { versionOfSaved } from '../deb/saved-debs.ts';
import { shareOut, type PackLeg, type Sharing } from '../deb/share-out.ts';
import type { Reason } from '../plan/plan.ts';
import { listProject, type ListOptions } from './debs.ts';
import type { Project } from './open.ts';

/** What becomes of a package in a release. */
export type PackageFate =
  | { action: 'pack'; reasons: Reason[] }
  /** As it was packed for the release of that version (as dpkg writes it). */
  | { action: 'reuse'; since: string }
  /** Nobody can tell before: its image is not saved yet, it is a model's, or dpkg-buildpackage makes it. */
  | { action: 'later'; because: 'image' | 'model' | 'build' };

export interface PackagePlan {
  packages: ({ name: string; version: string; architecture: string; bytes: number | null } & PackageFate)[];
  /** Runners for those that are certain to be packed, and need no image that is still to be built. */
  legs: PackLeg[];
}

/**
 * Which packages of a release have to be packed, and on how many runners that is best done. What one runner packs the others
 * find in the store: with a store in a folder nothing is shared out. Fetches no model and packs nothing; throws what is wrong
 * with any package.
 */
export async function planPackages(
  project: Project,
  options: Omit<ListOptions, 'models'> & { sharing: Sharing },
): Promise<PackagePlan> {
  const { sharing, ...rest } = options;
  const { planned, built, decided, models } = await listProject(project, { ...rest, models: 'leave' });
  const packages: PackagePlan['packages'] = [];
  const bytesOf = new Map<string, number>();
  for (const deb of planned) {
    const { name, of, version, architecture, size } = deb;
    const plan = decided.get(deb)?.plan;
    if (plan?.action === 'make') bytesOf.set(of, (bytesOf.get(of) ?? 0) + size);
    const fate: PackageFate =
      plan === undefined
        ? { action: 'later', because: models.has(of) ? 'model' : 'image' }
        : plan.action === 'make'
          ? { action: 'pack', reasons: plan.reasons }
          : { action: 'reuse', since: versionOfSaved(plan.saved) };
    packages.push({ name, version, architecture, bytes: models.has(of) ? null : size, ...fate });
  }
  for (const { name, version, architectures } of built.flatMap(({ drafts }) => drafts)) {
    packages.push({
      name,
      version,
      architecture: String(architectures),
      bytes: null,
      action: 'later',
      because: 'build',
    });
  }
  const toPack = [...bytesOf].map(([name, bytes]) => ({ name, bytes }));
  return { packages, legs: project.config.store.kind === 'folder' ? [] : shareOut(toPack, sharing) };
}
