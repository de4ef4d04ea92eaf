import type { BigIntStats, Stats } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, posix, resolve } from 'node:path';
import type { PackageUse } from '../dockerfile/packages.ts';
import { Failure } from '../failure.ts';
import type { FileHashes } from '../files/file-hashes.ts';
import { nearestFile } from '../files/nearest.ts';
import type { Progress } from '../progress.ts';
import { packagesLockName, type PackagesLock } from './lock-file.ts';

/** A file of a packages folder that needed stages name. */
export interface PackageFile {
  /** Below the folder. */
  path: string;
  /** With the folder as imgbuild.yaml has it: as messages and packages.lock name it. */
  name: string;
  /** Absolute, links followed. */
  file: string;
  /** In bytes; 0 where this machine has not got the folder. */
  size: number;
  sha256: string;
  executable: boolean;
  /** What changes when the file does; '' where it is not here. */
  stamp: string;
  /** False: the folder is not on this machine, and the sum is that of packages.lock. */
  here: boolean;
  uses: PackageUse[];
}

export interface PackageFolderOptions {
  /** Absolute: the repository's. */
  root: string;
  /** As imgbuild.yaml has it. */
  folder: string;
  hashes(): Promise<FileHashes>;
  lock: PackagesLock;
  /** `keep`: what the lock has must be so. `require`: it must have all. `rewrite`: it is to be made anew. */
  checks: 'keep' | 'require' | 'rewrite';
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** What the uses mean, each file once, by path; and what is wrong, each at the place that names it. */
export interface FoundPackages {
  files: PackageFile[];
  failures: Failure[];
  /** Names that packages.lock lacks. */
  unlocked: string[];
}

export const noPackages: FoundPackages = { files: [], failures: [], unlocked: [] };

export function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}

/** Finds and hashes the files that the uses name. Whatever is wrong with one of them is told with all the others. */
export async function findPackages(uses: readonly PackageUse[], options: PackageFolderOptions): Promise<FoundPackages> {
  const folder = await PackageFolder.open(options);
  const found = new Map<string, PackageFile>();
  const failures: Failure[] = [];
  const unlocked: string[] = [];
  for (const use of uses) {
    const paths = await folder.pathsOf(use);
    if (paths.length === 0) failures.push(await folder.missing(use));
    for (const path of paths) {
      const known = found.get(path);
      if (known) {
        known.uses.push(use);
        continue;
      }
      const file = await folder.read(path, use);
      found.set(path, file);
      const locked = options.lock.get(file.name);
      if (locked === undefined) unlocked.push(file.name);
      else if (locked.sha256 !== file.sha256 && options.checks !== 'rewrite') failures.push(altered(file, locked, use));
      if (locked === undefined && options.checks === 'require') failures.push(notLocked(file, use));
    }
  }
  const files = [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  return { files, failures, unlocked };
}

const ownState = new Set(['.git', '.imgbuild']);

class PackageFolder {
  readonly #options: PackageFolderOptions;
  readonly #path: string;
  /** Whether this machine has it. */
  readonly #here: boolean;
  #listing: Promise<string[]> | undefined;

  private constructor(options: PackageFolderOptions, path: string, here: boolean) {
    this.#options = options;
    this.#path = path;
    this.#here = here;
  }

  static async open(options: PackageFolderOptions): Promise<PackageFolder> {
    const path = resolve(options.root, options.folder);
    const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw unreadableFolder(options.folder, error.message);
    });
    if (stats !== undefined && !stats.isDirectory()) throw unreadableFolder(options.folder, 'it is no folder');
    return new PackageFolder(options, path, stats !== undefined);
  }

  /** Paths of the files that there are, below the folder. */
  async pathsOf({ patterns, via }: PackageUse): Promise<string[]> {
    const paths = new Set<string>();
    for (const pattern of patterns) {
      if (!isPattern(pattern, via)) {
        const stats = await this.#stat(pattern);
        if (stats?.isFile()) paths.add(pattern);
        else if (stats?.isDirectory()) for (const path of await this.#below(pattern)) paths.add(path);
        continue;
      }
      const matcher = matcherOf(pattern, via);
      for (const path of await this.#below('')) if (matcher.test(path)) paths.add(path);
    }
    return [...paths].toSorted();
  }

  async read(path: string, use: PackageUse): Promise<PackageFile> {
    const { folder, progress, signal, lock } = this.#options;
    const name = nameIn(folder, path);
    if (!this.#here) {
      const { sha256 } = lock.get(name)!;
      return {
        path,
        name,
        file: join(this.#path, path),
        size: 0,
        sha256,
        executable: false,
        stamp: '',
        here: false,
        uses: [use],
      };
    }
    const file = await realpath(join(this.#path, path));
    const stats = await stat(file, { bigint: true });
    const hashes = await this.#options.hashes();
    const { size, sha256 } = await hashes.of(file, name, progress, signal);
    const executable = (stats.mode & 0o100n) !== 0n;
    return { path, name, file, size, sha256, executable, stamp: stampOf(stats), here: true, uses: [use] };
  }

  async missing({ patterns, at, via }: PackageUse): Promise<Failure> {
    const { folder } = this.#options;
    const wanted = patterns.map((pattern) => nameIn(folder, pattern)).join(' or ');
    const several = patterns.length > 1 || patterns.some((pattern) => isPattern(pattern, via));
    const braces = /\{\w+\}/.exec(patterns[0]!)?.[0];
    const near = this.#here ? await nearestFile(this.#path, patterns[0]!) : undefined;
    let fix = near === undefined ? `put it into ${folder}` : `put it there, or mend the name: the nearest is ${near}`;
    if (!this.#here) fix = `make the folder ${folder}, or set packages: to where it is`;
    else if (braces !== undefined) fix = `${braces} is no variable: write $${braces}`;
    const nothing = several ? `nothing there is ${wanted}` : `there is no file ${wanted}`;
    const because = this.#here
      ? nothing
      : `there is no folder ${folder}, and ${packagesLockName} has no sum of ${wanted}`;
    return new Failure({ doing: `reading ${at.file}`, because, fix, at, kind: 'input' });
  }

  async #stat(path: string): Promise<Pick<Stats, 'isFile' | 'isDirectory'> | undefined> {
    if (this.#here) return stat(join(this.#path, path)).catch(() => undefined);
    const names = await this.#list();
    const isFile = names.includes(path);
    const isDirectory = !isFile && names.some((name) => path === '' || name.startsWith(`${path}/`));
    return isFile || isDirectory ? { isFile: () => isFile, isDirectory: () => isDirectory } : undefined;
  }

  async #below(path: string): Promise<string[]> {
    const all = await this.#list();
    return path === '' ? all : all.filter((each) => each.startsWith(`${path}/`));
  }

  #list(): Promise<string[]> {
    const { folder, lock } = this.#options;
    const prefix = folder === '.' ? '' : `${folder.replace(/\/$/, '')}/`;
    this.#listing ??= this.#here
      ? listFiles(this.#path)
      : Promise.resolve(
          [...lock.keys()].flatMap((name) => (name.startsWith(prefix) ? [name.slice(prefix.length)] : [])),
        );
    return this.#listing;
  }
}

function nameIn(folder: string, path: string): string {
  return folder === '.' ? path : posix.join(folder, path);
}

/** Links are followed, as a file server does; those that lead nowhere are left out. */
async function listFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  const visit = async (folder: string, depth: number): Promise<void> => {
    for (const { name } of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = posix.join(folder, name);
      if (ownState.has(path)) continue;
      const stats = await stat(join(root, path)).catch(() => undefined);
      if (stats?.isFile()) found.push(path);
      // A link may lead back to where it is.
      else if (stats?.isDirectory() && depth < 32) await visit(path, depth + 1);
    }
  };
  await visit('', 0);
  return found.toSorted();
}

function isPattern(pattern: string, via: PackageUse['via']): boolean {
  return via === 'copy' ? /[*?]/.test(pattern) : via === 'url' && pattern.includes('*');
}

/** A folder that matches means what is in it. */
function matcherOf(pattern: string, via: PackageUse['via']): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^/]*')
    .replaceAll('?', via === 'copy' ? '[^/]' : String.raw`\?`);
  return new RegExp(`^${source}${via === 'copy' ? '(?:/.*)?' : ''}$`);
}

function unreadableFolder(folder: string, because: string): Failure {
  return new Failure({
    doing: `reading the packages folder ${folder}`,
    because,
    fix: 'mend packages: of the layer',
    kind: 'input',
  });
}

const short = (sha256: string) => sha256.slice(0, 12);

function altered(file: PackageFile, locked: { sha256: string; line: number }, { at }: PackageUse): Failure {
  return new Failure({
    doing: `reading ${at.file}`,
    because: `${file.name} has sha256 ${short(file.sha256)}…, and ${packagesLockName}:${locked.line} says ${short(locked.sha256)}…`,
    fix: 'put the right file there; where the new one is right, run `imgbuild lock`',
    at,
    kind: 'input',
  });
}

function notLocked(file: PackageFile, { at }: PackageUse): Failure {
  return new Failure({
    doing: `reading ${at.file}`,
    because: `${packagesLockName} has no line for ${file.name}`,
    fix: `run \`imgbuild lock\` and commit ${packagesLockName}`,
    at,
    kind: 'input',
  });
}

/** A file that layers need, and that this machine has not got. */
export function notHere({ name, uses }: PackageFile, layer: string): Failure {
  const { at } = uses[0]!;
  return new Failure({
    doing: `planning ${layer}`,
    because: `it must be built, and this machine has not got ${name}`,
    fix: 'build where the packages folder is, or bring it here',
    at,
    kind: 'input',
  });
}

/** Larger files are no scripts that people write. In bytes. */
const largestScript = 256 * 1024;

/** Scripts of the folder that a step runs and that go on after a failure: each with the place that runs it. */
export async function carelessScripts(
  files: readonly PackageFile[],
  scripts: readonly { at: PackageUse['at']; script: string }[],
): Promise<{ at: PackageUse['at']; name: string }[]> {
  const found: { at: PackageUse['at']; name: string }[] = [];
  for (const { at, script } of scripts) {
    const name = posix.basename(script);
    const file = files.find((each) => each.here && posix.basename(each.path) === name && each.size <= largestScript);
    if (file === undefined) continue;
    const text = await readFile(file.file, 'utf8');
    const stops = /^#!.*\s-\w*e|^\s*set\s+(?:-\w+\s+)*-(?:\w*e|o\s+errexit)|&&\s*set -e/m.test(text);
    if (!stops) found.push({ at, name: file.name });
  }
  return found;
}
