import { lstatSync, readdirSync, readlinkSync } from 'node:fs';
import type { BigIntStats, Dirent, Stats } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import type { FileMode } from '../plan/input.ts';
import type { HashedEntry } from './context.ts';
import { blobId, fileId, smallFileId } from './blob-id.ts';
import type { GitListing } from './git-listing.ts';
import { slotState } from './git-listing.ts';
import { loadGitListing } from './git-load.ts';
import { HashCache } from './hash-cache.ts';

/** What stands at a path, as COPY tells it apart. `special`: socket, FIFO, device. */
export type NodeKind = 'file' | 'link' | 'folder' | 'special';

/** One name in a folder. */
export interface TreeNode {
  name: string;
  kind: NodeKind;
  /** Its first slot in git's listing; -1 where git knows nothing of it, and the disk must be asked. */
  first: number;
  /** The end of its slots. */
  end: number;
}

/** Mode and git blob id of a file or link. */
export interface Content {
  mode: FileMode;
  hash: string;
}

const kindOf = (entry: Dirent | Stats | BigIntStats): NodeKind =>
  entry.isFile() ? 'file' : entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'special';

const below = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

const vanished = (error: unknown): boolean =>
  ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

function unreadable(path: string, error: unknown): Failure {
  return new Failure({
    doing: `reading ${path}`,
    because: vanished(error) ? 'it vanished while the files were being read' : (error as Error).message,
    fix: vanished(error)
      ? 'run again when nothing changes the files'
      : 'make it readable, or leave it out by .dockerignore',
    kind: vanished(error) ? 'operation' : 'input',
    cause: error,
  });
}

/** How long files are hashed before other work gets its turn, ms. */
const turn = 30;
const largeFilesAtOnce = 4;

/**
 * The files below a root, listed and hashed once for all layers of a plan: from git where its answer is certain, else
 * from the disk. Paths are POSIX, relative to the root, '' the root itself.
 */
export class WorkTree {
  /** Absolute. */
  readonly root: string;
  readonly #git: GitListing | undefined;
  #cache: Promise<HashCache> | undefined;
  readonly #read = new Map<string, Content>();
  readonly #signal: AbortSignal | undefined;
  /** Hashing time since the last save, and what that save took; ms. */
  #unsaved = 0;
  #saveTook = 0;

  constructor(root: string, listing: GitListing | undefined, signal?: AbortSignal) {
    this.root = root;
    this.#git = listing;
    this.#signal = signal;
  }

  /** The root as a node. */
  get top(): TreeNode {
    // A root in a folder that git does not track at all is listed as "./".
    const listed = this.#git && !this.#git.untrackedFolders.get('')?.includes('.');
    return { name: '', kind: 'folder', first: listed ? 0 : -1, end: listed ? this.#git!.count : -1 };
  }

  /** What is in a folder, unsorted. `.git` is listed only where git does not list the folder. */
  list(path: string, folder: TreeNode): TreeNode[] {
    if (folder.first < 0) return this.#listDisk(path);
    const listing = this.#git!;
    const nodes: TreeNode[] = [];
    const offset = path === '' ? 0 : Buffer.byteLength(path) + 1;
    listing.children(folder.first, folder.end, offset, (name, first, end, isFolder) => {
      const node = isFolder ? this.#trackedFolder(path, name, first, end) : this.#trackedFile(path, name, first);
      if (node) nodes.push(node);
    });
    const files = listing.untrackedFiles.get(path);
    const folders = listing.untrackedFolders.get(path);
    if (!files && !folders) return nodes;
    const untracked = [...this.#onDisk(path, files ?? []), ...this.#onDisk(path, folders ?? [])];
    // What is there in a tracked path's place hides it.
    const names = new Set(untracked.map((node) => node.name));
    return [...nodes.filter((node) => !names.has(node.name)), ...untracked];
  }

  readonly #children = new Map<string, ReadonlyMap<string, TreeNode>>();

  /** What a folder has under a name. Fifty contexts lie in one folder: it is listed once. */
  child(path: string, folder: TreeNode, name: string): TreeNode | undefined {
    let children = this.#children.get(path);
    if (!children) {
      children = new Map(this.list(path, folder).map((node) => [node.name, node]));
      this.#children.set(path, children);
    }
    return children.get(name);
  }

  #listDisk(path: string): TreeNode[] {
    try {
      return readdirSync(join(this.root, path), { withFileTypes: true }).map((entry) => ({
        name: entry.name,
        kind: kindOf(entry),
        first: -1,
        end: -1,
      }));
    } catch (error) {
      throw unreadable(path || '.', error);
    }
  }

  /** The node of a path on the disk, unknown to git; undefined when nothing is there. */
  diskNode(path: string, name: string): TreeNode | undefined {
    try {
      return { name, kind: kindOf(lstatSync(join(this.root, path))), first: -1, end: -1 };
    } catch (error) {
      if (vanished(error)) return undefined;
      throw unreadable(path, error);
    }
  }

  #onDisk(folder: string, names: readonly string[]): TreeNode[] {
    const nodes: TreeNode[] = [];
    for (const name of names) {
      const node = this.diskNode(below(folder, name), name);
      if (node) nodes.push(node);
      // Not gone, but not to be found by a name that is no UTF-8: whoever takes it must say so.
      else if (name.includes('\uFFFD')) nodes.push({ name, kind: 'file', first: -1, end: -1 });
    }
    return nodes;
  }

  #trackedFile(folder: string, name: string, slot: number): TreeNode | undefined {
    const listing = this.#git!;
    if (listing.states[slot] === slotState.unknown) {
      return this.diskNode(below(folder, name), name);
    }
    return { name, kind: listing.isLink(slot) ? 'link' : 'file', first: slot, end: slot + 1 };
  }

  #trackedFolder(folder: string, name: string, first: number, end: number): TreeNode | undefined {
    const { states } = this.#git!;
    let certain = first;
    while (certain < end && states[certain] === slotState.unknown) certain++;
    if (certain < end) return { name, kind: 'folder', first, end };
    // All of it may be gone: deleted, or outside a sparse checkout.
    const node = this.diskNode(below(folder, name), name);
    return node?.kind === 'folder' ? { name, kind: 'folder', first, end } : node;
  }

  /** Where a link points, as written. */
  readLink(path: string): string {
    try {
      return readlinkSync(join(this.root, path));
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** Whether git tracks the path, or something below it. */
  tracks(path: string): boolean {
    if (!this.#git) return false;
    const [first, end] = this.#git.slotsOf(Buffer.from(path));
    const [begin, stop] = this.#git.below(path);
    return end > first || stop > begin;
  }

  /** Whether all in a folder is known from git alone, and each of its slots is a file or link that is there. */
  isPlain(path: string, folder: TreeNode): boolean {
    return folder.first >= 0 && this.#git!.isPlain(path, folder.first, folder.end);
  }

  /** Whether git's slots are in the order of their paths by UTF-16 code units. */
  get inPathOrder(): boolean {
    return this.#git?.inPathOrder ?? false;
  }

  /** Path of a slot. */
  origin(slot: number): string {
    return this.#git!.path(slot);
  }

  /** A slot of a plain folder; its path is what comes after the first `above` characters of its origin. */
  slot(slot: number, above: number): HashedEntry {
    const listing = this.#git!;
    const origin = listing.path(slot);
    return { path: origin.slice(above), origin, mode: listing.mode(slot), hash: listing.hash(slot) };
  }

  /** Mode and hash of a file or link where git's answer is certain. */
  known(node: TreeNode): Content | undefined {
    if (node.first < 0 || this.#git!.states[node.first] !== slotState.trusted) return undefined;
    return { mode: this.#git!.mode(node.first), hash: this.#git!.hash(node.first) };
  }

  /** Mode and hash, from the disk or the hash cache, of files and links at these paths. Throws a Failure. */
  async read(paths: Iterable<string>): Promise<ReadonlyMap<string, Content>> {
    const missing = [...paths].filter((path) => !this.#read.has(path));
    if (missing.length === 0) return this.#read;
    const cache = await (this.#cache ??= HashCache.open(this.root));
    const large: string[] = [];
    const began = performance.now();
    let since = began;
    for (const path of missing) {
      if (performance.now() - since > turn) {
        await setImmediate();
        this.#signal?.throwIfAborted();
        since = performance.now();
      }
      try {
        const absolute = `${this.root}/${path}`;
        const stats = lstatSync(absolute, { bigint: true });
        const mode = stats.isSymbolicLink() ? '120000' : (stats.mode & 0o100n) === 0n ? '100644' : '100755';
        if (stats.isSymbolicLink()) {
          this.#read.set(path, { mode, hash: blobId(readlinkSync(absolute, { encoding: 'buffer' })) });
          continue;
        }
        const remembered = cache.get(path, stats);
        if (remembered !== undefined) {
          this.#read.set(path, { mode, hash: remembered });
          continue;
        }
        await cache.begin();
        const id = smallFileId(absolute);
        if (!id) {
          large.push(path);
          continue;
        }
        if (id.steady) cache.put(path, id.stats, id.hash);
        this.#read.set(path, { mode, hash: id.hash });
      } catch (error) {
        throw unreadable(path, error);
      }
    }
    const next = large[Symbol.iterator]();
    const reader = async (): Promise<void> => {
      for (const path of next) {
        try {
          const id = await fileId(join(this.root, path), this.#signal);
          if (id.steady) cache.put(path, id.stats, id.hash);
          this.#read.set(path, { mode: (id.stats.mode & 0o100n) === 0n ? '100644' : '100755', hash: id.hash });
        } catch (error) {
          this.#signal?.throwIfAborted();
          throw unreadable(path, error);
        }
      }
    };
    await Promise.all(Array.from({ length: largeFilesAtOnce }, reader));
    // Saving costs as much as all the cache is long: many small batches are saved together.
    this.#unsaved += performance.now() - began;
    if (this.#unsaved > 4 * this.#saveTook) await this.close();
    return this.#read;
  }

  /** Keeps the hashes that were read for the next plan. The tree can still be used. */
  async close(): Promise<void> {
    const began = performance.now();
    this.#unsaved = 0;
    await (await this.#cache)?.save();
    this.#saveTook = performance.now() - began;
  }
}

/** Lists the files below `root` (absolute) once. Git is asked without locks, filters and network; it may be missing. */
export async function openWorkTree(root: string, options: { signal?: AbortSignal } = {}): Promise<WorkTree> {
  return new WorkTree(root, await loadGitListing(root, options.signal), options.signal);
}
