import { lstat, readdir, readlink, realpath } from 'node:fs/promises';
import { posix, sep } from 'node:path';
import type { Config, Deb, DebContent } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { expandGlob, hasWildcard, literalPrefix, ownState } from '../files/glob.ts';
import { nearestFile } from '../files/nearest.ts';
import { missingOrThrow, unreadable } from '../files/unreadable.ts';
import { stampOf, withParents, type PackageEntry } from './entry.ts';
import { debTrouble } from './trouble.ts';

/** What the contents of a package came to. */
export interface Collected {
  entries: PackageEntry[];
  /** For people: setuid files, links that point at nothing. */
  warnings: string[];
}

/**
 * Finds the files of a package. Throws a Failure with its place in the configuration when a pattern matches nothing,
 * two sources have one target, or a name or a kind of file cannot be packed.
 */
export async function collectContents(config: Config, deb: Deb): Promise<Collected> {
  const byPath = new Map<string, { entry: PackageEntry; from: string }>();
  const warnings: string[] = [];
  for (const [index, content] of deb.contents.entries()) {
    const trouble = (key: 'src' | 'dst', because: string, fix: string) =>
      debTrouble(config, deb.name, ['contents', index, key], because, fix);
    for (const { source, target } of await matchesOf(config, content, trouble)) {
      for await (const entry of readTree(config.root, source, target, content.mode, trouble)) {
        const taken = byPath.get(entry.path);
        if (taken !== undefined) {
          if (taken.entry.type === 'directory' && entry.type === 'directory') continue;
          const both = `${taken.from} and ${source}`;
          throw trouble('dst', `${both} both go to /${entry.path}`, 'give one of them another dst, or leave it out');
        }
        byPath.set(entry.path, { entry, from: source });
        if (entry.type === 'file' && (entry.mode & 0o6000) !== 0) {
          warnings.push(
            `${deb.name}: /${entry.path} keeps ${specialBits(entry.mode)} (mode ${entry.mode.toString(8)})`,
          );
        }
      }
    }
  }
  const entries = [...byPath.values()].map(({ entry }) => entry);
  const known = new Set(withParents(entries).map(({ path }) => path));
  for (const entry of entries) {
    if (isDangling(entry, known)) {
      warnings.push(`${deb.name}: the link /${entry.path} points at nothing in the package`);
    }
    const parent = parentThatIsNone(entry.path, byPath);
    if (parent !== undefined) {
      throw debTrouble(
        config,
        deb.name,
        ['contents'],
        `/${parent} is no folder, and /${entry.path} would lie in it`,
        'give one of them another dst',
      );
    }
  }
  return { entries, warnings };
}

type Trouble = (key: 'src' | 'dst', because: string, fix: string) => Failure;

/** Sources relative to the root, targets without a slash in front ('' is the root of the device). */
async function matchesOf(
  config: Config,
  content: DebContent,
  trouble: Trouble,
): Promise<{ source: string; target: string }[]> {
  const { src, dst } = content;
  const folder = trimmed(dst);
  await requireInside(config.root, literalPrefix(src), trouble);
  if (hasWildcard(src)) {
    const matches = await expandGlob(config.root, src);
    if (matches.length === 0) throw await nothingMatches(config.root, src, trouble);
    return matches
      .filter(({ path }) => !ownState.has(path))
      .map(({ path, below }) => ({ source: path, target: joined(folder, below) }));
  }
  const stats = await lstat(posix.join(config.root, src)).catch(missingOrThrow(src));
  if (stats === undefined) throw await nothingMatches(config.root, src, trouble);
  if (dst.endsWith('/') && src !== '.') return [{ source: src, target: joined(folder, posix.basename(src)) }];
  if (folder === '' && !stats.isDirectory())
    throw trouble('dst', `${src} is no folder`, `write /${posix.basename(src)}`);
  return [{ source: src, target: folder }];
}

async function requireInside(root: string, folder: string, trouble: Trouble): Promise<void> {
  const real = await realpath(posix.join(root, folder)).catch(missingOrThrow(folder));
  const realRoot = await realpath(root);
  if (real === undefined || real === realRoot || real.startsWith(realRoot + sep)) return;
  throw trouble(
    'src',
    `${folder} is a link that leaves the repository's root`,
    'put what is needed into the repository',
  );
}

async function* readTree(
  root: string,
  source: string,
  target: string,
  mode: number | undefined,
  trouble: Trouble,
): AsyncGenerator<PackageEntry> {
  const absolute = posix.join(root, source);
  for (const [key, path] of [
    ['src', source],
    ['dst', target],
  ] as const) {
    const because = problemOfName(path);
    if (because !== undefined) throw trouble(key, `${JSON.stringify(path)} ${because}`, 'rename the file');
  }
  const stats = await lstat(absolute, { bigint: true }).catch((error: unknown) => {
    throw unreadable(source, error);
  });
  if (stats.isSymbolicLink()) {
    yield { type: 'symlink', path: target, target: await readlink(absolute) };
  } else if (stats.isFile()) {
    const own = Number(stats.mode);
    const bits = mode ?? ((own & 0o111) !== 0 ? 0o755 : 0o644) | (own & 0o7000);
    const file = { from: 'disk', path: absolute, name: source, stamp: stampOf(stats) } as const;
    yield { type: 'file', path: target, mode: bits, size: Number(stats.size), source: file };
  } else if (stats.isDirectory()) {
    if (target !== '') yield { type: 'directory', path: target, mode: 0o755 };
    const names = await readdir(absolute).catch((error: unknown) => {
      throw unreadable(source, error);
    });
    for (const name of names.toSorted()) {
      const inner = source === '.' ? name : `${source}/${name}`;
      if (ownState.has(inner)) continue;
      yield* readTree(root, inner, joined(target, name), mode, trouble);
    }
  } else {
    const kind = stats.isFIFO() ? 'a pipe' : stats.isSocket() ? 'a socket' : 'a device';
    throw trouble('src', `${source} is ${kind}, which no package can carry`, 'leave it out of src');
  }
}

/** A line break would forge lines of md5sums; a name that is not UTF-8 cannot be written back. */
function problemOfName(path: string): string | undefined {
  if (/[\n\r]/.test(path)) return 'has a line break in its name';
  if (path.includes('\ufffd')) return 'has a name that is not UTF-8';
  return undefined;
}

async function nothingMatches(root: string, pattern: string, trouble: Trouble): Promise<Failure> {
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

function parentThatIsNone(path: string, byPath: ReadonlyMap<string, { entry: PackageEntry }>): string | undefined {
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
    const parent = byPath.get(path.slice(0, slash))?.entry;
    if (parent !== undefined && parent.type !== 'directory') return parent.path;
  }
  return undefined;
}
