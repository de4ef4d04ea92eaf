import type { Failure } from '../failure.ts';
import type { Draft } from './draft.ts';
import type { PlannedDeb } from './planned-deb.ts';

/**
 * dpkg refuses to install two packages that own one path, unless it is a folder in both: says which would. Packages of different
 * architectures are never on one machine. The folder of files that are not here yet is its package's alone.
 */
export function doubleOwners(drafts: ReadonlyMap<string, Draft>, planned: readonly PlannedDeb[]): Failure[] {
  if (planned.length < 2) return [];
  const owners = new Map<string, PlannedDeb[]>();
  const failures: Failure[] = [];
  const told = new Set<string>();
  for (const deb of planned) {
    const files = deb.entries.filter(({ type }) => type !== 'directory').map(({ path }) => path);
    for (const path of [...files, ...deb.ghosts]) {
      const others = owners.get(path);
      if (others === undefined) {
        owners.set(path, [deb]);
        continue;
      }
      const other = others.find((each) => meet(each, deb));
      others.push(deb);
      if (other === undefined || told.has(`${other.name} ${deb.name}`)) continue;
      told.add(`${other.name} ${deb.name}`);
      const because = `/${path} is also in ${other.name}, and dpkg gives a path to one package alone`;
      failures.push(drafts.get(deb.of)!.trouble(because, fixFor(path)));
    }
  }
  for (const deb of planned) {
    for (const { type, path } of deb.entries) {
      if (type !== 'directory') continue;
      const other = owners.get(path)?.find((each) => meet(each, deb));
      if (other === undefined || told.has(`${other.name} ${deb.name}`)) continue;
      told.add(`${other.name} ${deb.name}`);
      // dpkg refuses it for a file; a link it follows or ignores, by which of the two comes first.
      const because = `/${path} is a folder here, and in ${other.name} it is none`;
      failures.push(drafts.get(deb.of)!.trouble(because, fixFor(path)));
    }
  }
  for (const deb of planned) {
    const folder = deb.later?.folder;
    if (folder === undefined) continue;
    for (const other of planned.filter((each) => meet(each, deb))) {
      const inside = other.entries.find(({ type, path }) => type !== 'directory' && path.startsWith(`${folder}/`));
      if (inside === undefined) continue;
      const because = `/${inside.path} lies in /${folder}, which is that of ${deb.name}`;
      failures.push(drafts.get(other.of)!.trouble(because, 'give it another dst'));
    }
  }
  return failures;
}

function meet(a: PlannedDeb, b: PlannedDeb): boolean {
  return (
    a.name !== b.name && (a.architecture === b.architecture || a.architecture === 'all' || b.architecture === 'all')
  );
}

function fixFor(path: string): string {
  return path.endsWith('/docker_image')
    ? 'give one of the two a name of its own: run: { name: … }'
    : 'give it another dst in one of the two, or leave it out';
}
