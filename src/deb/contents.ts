import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import type { DebAttributes } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { expandGlob, hasWildcard, literalPrefix, ownState } from '../files/glob.ts';
import { nearestFile } from '../files/nearest.ts';
import { missingOrThrow, unreadable } from '../files/unreadable.ts';
import { stampOf, withParents, type PackageEntry } from './entry.ts';
import type { Owner } from './owner.ts';
import type { Placement, PlacementTrouble } from './placement.ts';
import { keepFailures, throwAll } from './trouble.ts';

/** What the contents of a package came to. */
export interface Collected {
  entries: PackageEntry[];
  /** For people: setuid files, links that point at nothing. */
  warnings: string[];
  /** Paths of entries that dpkg keeps as the administrator made them, besides those below /etc. */
  configs: string[];
  /** Paths that the device makes, without a slash in front. */
  ghosts: string[];
  /** Files and links of the repository that are in the package, by the pattern that took them. */
  taken: Map<string, Placement>;
}

type Sourced = Extract<Placement, { src: string; naming: string }>;

/**
 * Finds the files of a package. Throws a Failure (or several at once) at its place in what declared it when a pattern
 * matches nothing, two sources have one target, or a name or a kind of file cannot be packed.
 */
export async function collectContents(
  root: string,
  name: string,
  placements: readonly Placement[],
): Promise<Collected> {
  const byPath = new Map<string, { entry: PackageEntry; from: string; placement: Placement }>();
  const collected: Collected = { entries: [], warnings: [], configs: [], ghosts: [], taken: new Map() };
  const failures: Failure[] = [];

  const add = (entry: PackageEntry, from: string, placement: Placement) => {
    const taken = byPath.get(entry.path);
    if (taken !== undefined) {
      const isFolder = taken.entry.type === 'directory' && entry.type === 'directory';
      if (isFolder && placement.type !== 'dir') return;
      // What two lines of a debian/ folder match is copied twice by debhelper, too.
      if (taken.from === from && 'naming' in placement && placement.naming === 'name') return;
      if (!isFolder || taken.placement.type === 'dir') {
        const both = `${taken.from} and ${from}`;
        throw placement.trouble(
          'dst',
          `${both} both go to /${entry.path}`,
          'give one of them another dst, or leave it out',
        );
      }
    }
    byPath.set(entry.path, { entry, from, placement });
    if (placement.type === 'config' && entry.type === 'file') collected.configs.push(entry.path);
    if (entry.type === 'file' && (entry.mode & 0o6000) !== 0) {
      collected.warnings.push(
        `${name}: /${entry.path} keeps ${specialBits(entry.mode)} (mode ${entry.mode.toString(8)})`,
      );
    }
  };

  for (const placement of placements) {
    await keepFailures(failures, async () => {
      if (placement.type === 'ghost') collected.ghosts.push(trimmed(placement.dst));
      else if (placement.type === 'symlink') {
        requireName('dst', placement.dst, placement.trouble);
        add({ type: 'symlink', path: trimmed(placement.dst), target: placement.src }, placement.src, placement);
      } else if (placement.type === 'dir') {
        requireName('dst', placement.dst, placement.trouble);
        const path = trimmed(placement.dst);
        if (path === '') throw placement.trouble('dst', 'this is the root of the device', 'write the path of a folder');
        const mode = placement.mode ?? 0o755;
        add({ type: 'directory', path, mode, ...ownerOf(placement) }, 'type: dir', placement);
      } else {
        for (const { source, target } of await matchesOf(root, placement)) {
          for (const { entry, from } of readTree(posix.join(root, source), source, target, placement)) {
            if (entry.type !== 'directory') collected.taken.set(from, placement);
            add(entry, from, placement);
          }
        }
      }
    });
  }

  const packed = [...byPath.values()].map(({ entry }) => entry);
  const hasLinks = packed.some(({ type }) => type === 'symlink');
  const known = new Set(hasLinks ? withParents(packed).map(({ path }) => path) : []);
  const sound = new Set<string>();
  for (const { entry, placement } of byPath.values()) {
    collected.entries.push(entry);
    if (isDangling(entry, known)) {
      collected.warnings.push(`${name}: the link /${entry.path} points at nothing in the package`);
    }
    const parent = parentThatIsNone(entry.path, byPath, sound);
    if (parent !== undefined) {
      const because = `/${parent} is no folder, and /${entry.path} would lie in it`;
      failures.push(placement.trouble('dst', because, 'give one of them another dst'));
    }
  }
  for (const ghost of collected.ghosts) {
    const taken = byPath.get(ghost);
    if (taken === undefined) continue;
    failures.push(
      taken.placement.trouble(
        'dst',
        `/${ghost} is packed, and a ghost`,
        'remove one of the two: a ghost is never packed',
      ),
    );
  }
  throwAll(failures);
  return collected;
}

/** Sources relative to the root, targets without a slash in front ('' is the root of the device). */
async function matchesOf(root: string, placement: Sourced): Promise<{ source: string; target: string }[]> {
  const { src, dst, naming, trouble } = placement;
  const folder = trimmed(dst);
  await requireInside(root, literalPrefix(src), trouble);
  if (hasWildcard(src)) {
    const matches = (await expandGlob(root, src)).filter(({ path }) => !ownState.has(path));
    if (matches.length === 0) throw await nothingMatches(root, src, trouble);
    return matches.map(({ path, below }) => ({
      source: path,
      target: joined(folder, naming === 'name' ? posix.basename(path) : below),
    }));
  }
  const stats = await lstat(posix.join(root, src)).catch(missingOrThrow(src));
  if (stats === undefined) throw await nothingMatches(root, src, trouble);
  if ((naming === 'name' || dst.endsWith('/')) && src !== '.') {
    return [{ source: src, target: joined(folder, posix.basename(src)) }];
  }
  if (folder === '' && !stats.isDirectory())
    throw trouble('dst', `${src} is no folder`, `write /${posix.basename(src)}`);
  return [{ source: src, target: folder }];
}

async function requireInside(root: string, folder: string, trouble: PlacementTrouble): Promise<void> {
  const real = await realpath(posix.join(root, folder)).catch(missingOrThrow(folder));
  const realRoot = await realpath(root);
  if (real === undefined || real === realRoot || real.startsWith(realRoot + sep)) return;
  throw trouble(
    'src',
    `${folder} is a link that leaves the repository's root`,
    'put what is needed into the repository',
  );
}

interface Found {
  entry: PackageEntry;
  /** Relative to the root. */
  from: string;
}

/** What is said about a file takes less time than to ask for it by another thread: nothing here waits. */
function* readTree(absolute: string, source: string, target: string, placement: Sourced): Generator<Found> {
  const { mode, trouble } = placement;
  requireName('src', source, trouble);
  requireName('dst', target, trouble);
  const stats = asked(source, () => lstatSync(absolute, { bigint: true }));
  if (stats.isSymbolicLink()) {
    yield {
      entry: { type: 'symlink', path: target, target: asked(source, () => readlinkSync(absolute)) },
      from: source,
    };
  } else if (stats.isFile()) {
    const own = Number(stats.mode);
    const bits = mode ?? ((own & 0o111) !== 0 ? 0o755 : 0o644) | (own & 0o7000);
    const file = { from: 'disk', path: absolute, name: source, stamp: stampOf(stats) } as const;
    const size = Number(stats.size);
    yield {
      entry: { type: 'file', path: target, mode: bits, size, source: file, ...ownerOf(placement) },
      from: source,
    };
  } else if (stats.isDirectory()) {
    const attributes = ownerOf(placement);
    if (target !== '') yield { entry: { type: 'directory', path: target, mode: 0o755, ...attributes }, from: source };
    const names = asked(source, () => readdirSync(absolute));
    for (const name of names.toSorted()) {
      const inner = source === '.' ? name : `${source}/${name}`;
      if (ownState.has(inner)) continue;
      yield* readTree(`${absolute}/${name}`, inner, joined(target, name), placement);
    }
  } else {
    const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a device';
    throw trouble('src', `${source} is ${kind}, which no package can carry`, 'leave it out of src');
  }
}

function asked<T>(source: string, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    throw unreadable(source, error);
  }
}

function ownerOf({ owner, group }: DebAttributes): { owner?: Owner } {
  if (owner === undefined && group === undefined) return {};
  return { owner: { user: owner ?? 'root', group: group ?? 'root' } };
}

/** A line break would forge lines of md5sums; a name that is not UTF-8 cannot be written back. */
function requireName(key: 'src' | 'dst', path: string, trouble: PlacementTrouble): void {
  const because = /[\n\r]/.test(path)
    ? 'has a line break in its name'
    : path.includes('\ufffd')
      ? 'has a name that is not UTF-8'
      : undefined;
  if (because !== undefined) throw trouble(key, `${JSON.stringify(path)} ${because}`, 'rename the file');
}

async function nothingMatches(root: string, pattern: string, trouble: PlacementTrouble): Promise<Failure> {
  const near = await nearestFile(root, pattern);
  const because = hasWildcard(pattern) ? `no file matches ${pattern}` : `there is no file or folder ${pattern}`;
  return trouble('src', because, near === undefined ? 'make it, or mend the pattern' : `the nearest is ${near}`);
}

function trimmed(dst: string): string {
  const path = posix.normalize(dst).replace(/^\/+|\/+$/g, '');
  return path === '.' ? '' : path;
}

function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

function specialBits(mode: number): string {
  const bits = [(mode & 0o4000) !== 0 && 'setuid', (mode & 0o2000) !== 0 && 'setgid'];
  return bits.filter((bit) => bit !== false).join(' and ');
}

function isDangling(entry: PackageEntry, known: ReadonlySet<string>): boolean {
  if (entry.type !== 'symlink' || entry.target.startsWith('/')) return false;
  const target = posix.join(posix.dirname(entry.path), entry.target).replace(/\/$/, '');
  return target !== '.' && !known.has(target);
}

/** `sound`: folders that lie in folders alone, as far as they were looked at; most entries share theirs. */
function parentThatIsNone(
  path: string,
  byPath: ReadonlyMap<string, { entry: PackageEntry }>,
  sound: Set<string>,
): string | undefined {
  const folders: string[] = [];
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const folder = path.slice(0, slash);
    if (sound.has(folder)) break;
    const parent = byPath.get(folder)?.entry;
    if (parent !== undefined && parent.type !== 'directory') return parent.path;
    folders.push(folder);
  }
  for (const folder of folders) sound.add(folder);
  return undefined;
}
