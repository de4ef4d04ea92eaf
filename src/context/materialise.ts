import {
  chmodSync,
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Failure } from '../failure.ts';
import type { MaterialisedContext } from './context.ts';
import type { ContextNode, ContextTree } from './context-tree.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** What a context as it is on the disk has in it. */
interface Survey {
  /** In the order of a walk from the top: a folder before what is in it. */
  entries: { path: string; origin: string; kind: 'file' | 'link' | 'folder'; mode: number; large: boolean }[];
  /** Sockets, FIFOs and devices: no layer can hold their content, so they are not sent. Paths in the context. */
  specials: string[];
  normal: boolean;
}

const permissions = 0o7777;
const mayBeGone = { throwIfNoEntry: false } as const;
// Smaller files are copied in turns of this length (ms) without leaving the event loop for each.
const largeFile = 1024 * 1024;
const turn = 30;

/** `disk` must list from the disk alone: git does not list what it can't track. */
function survey(disk: ContextTree, signal?: AbortSignal): Survey {
  const found: Survey = { entries: [], specials: [], normal: true };
  const visit = (folder: ContextNode): boolean => {
    signal?.throwIfAborted();
    let any = false;
    for (const child of disk.list(folder)) {
      const { path, origin, node, modeFrom } = child;
      if (node.kind === 'special') {
        found.specials.push(path);
        continue;
      }
      const at = found.entries.length;
      // A folder that only a copy entry makes is nowhere on the disk.
      const stats = origin === '' ? undefined : lstatSync(join(disk.tree.root, origin));
      const own = stats === undefined ? 0o755 : stats.mode & permissions;
      const mode = modeFrom === undefined ? own : lstatSync(join(disk.tree.root, modeFrom)).mode & permissions;
      found.entries.push({ path, origin, kind: node.kind, mode, large: (stats?.size ?? 0) > largeFile });
      // An excluded folder is sent only for what is left in it.
      const inside = node.kind === 'folder' && visit(child);
      if (child.ignored && !inside) {
        found.entries.length = at;
        continue;
      }
      any = true;
      if (node.kind === 'folder' ? mode !== 0o755 : node.kind === 'file' && mode !== 0o644 && mode !== 0o755)
        found.normal = false;
    }
    return any;
  };
  visit(disk.top);
  return found;
}

/**
 * Which of these paths, and of the folders on the way to them from the context's own, have modes that mean something
 * a normalised context does not say. Links may be among them.
 */
export function lostModes(
  root: string,
  context: string,
  origins: Iterable<string>,
): { origin: string; mode: number }[] {
  // The root's own mode tells the umask of the checkout: what follows from it alone nobody chose.
  const rootMode = lstatSync(root).mode & permissions;
  const explained = new Set([0o644, 0o755, 0o666 & rootMode, 0o777 & rootMode]);
  const lost = new Map<string, number>();
  const folders = new Set([context, '', '.']);
  const look = (origin: string): void => {
    // Each file of a large context comes here: path.join would take as long as the call.
    const stats = lstatSync(`${root}/${origin}`, mayBeGone);
    if (!stats || stats.isSymbolicLink()) return;
    const mode = stats.mode & permissions;
    if (!explained.has(mode) && !(stats.isDirectory() && mode === rootMode)) lost.set(origin, mode);
  };
  let last = '';
  for (const origin of origins) {
    look(origin);
    const cut = origin.lastIndexOf('/');
    // Most files lie beside the one before.
    if (cut === last.length && origin.startsWith(last)) continue;
    last = origin.slice(0, Math.max(0, cut));
    for (let folder = last; !folders.has(folder); folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
      folders.add(folder);
      look(folder);
    }
  }
  return Array.from(lost, ([origin, mode]) => ({ origin, mode })).toSorted((a, b) => (a.origin < b.origin ? -1 : 1));
}

/** A line of a .dockerignore that means exactly this path; undefined when none can. */
function exactPattern(path: string): string | undefined {
  if (/[\n\r]/.test(path)) return undefined;
  const escaped = path.replaceAll(/[\\*?[\]]/g, '\\$&');
  return escaped.replace(/^[!#\s]/, '[$&]').replace(/\s$/, '[$&]');
}

/** A line of a .dockerignore with this pattern: `#` begins a comment at the very start of a line only. */
const ignoreLine = (pattern: string): string => (pattern.startsWith('#') ? ` ${pattern}` : pattern);

export interface MaterialiseOptions {
  disk: ContextTree;
  /** Absolute path of the context's folder. */
  folder: string;
  /** Absolute. */
  dockerfile: string;
  /** In the place of the file's own. */
  dockerfileText?: string;
  /** The user's ignore patterns. */
  patterns: readonly string[];
  git: boolean;
  grafted: boolean;
  signal: AbortSignal | undefined;
}

/** See BuildContext.materialise. */
export async function materialise(options: MaterialiseOptions): Promise<MaterialisedContext> {
  const { disk, signal } = options;
  const temporary = await temporaryFolder(disk.tree.root);
  try {
    const { entries, specials, normal } = survey(disk, signal);
    const excluded = specials.map(exactPattern);
    const asItIs = normal && !options.grafted && !excluded.includes(undefined);
    const path = asItIs ? options.folder : join(temporary.path, 'context');
    if (!asItIs) await copyEntries(disk.tree.root, entries, path, signal);
    const lines = asItIs
      ? [...options.patterns.map(ignoreLine), '**/.imgbuild', ...(options.git ? [] : ['**/.git']), ...excluded]
      : // What is excluded was not copied; an empty file would let the context's own .dockerignore count.
        ['# Everything that is excluded is already left out.'];
    const folder = join(temporary.path, 'dockerfile');
    await mkdir(folder);
    const dockerfile = join(folder, basename(options.dockerfile));
    await writeFile(dockerfile, options.dockerfileText ?? (await readFile(options.dockerfile)));
    await writeFile(`${dockerfile}.dockerignore`, `${lines.join('\n')}\n`);
    return { path, dockerfile, dispose: temporary.remove };
  } catch (error) {
    await temporary.remove();
    if (signal?.aborted || error instanceof Failure) throw error;
    throw new Failure({
      doing: `preparing the context ${options.folder}`,
      because: (error as Error).message,
      fix: 'make room on the disk, or make the files readable',
      cause: error,
    });
  }
}

/**
 * Copies share their blocks with the tree where the file system can. Hard links would not do: to make or remove one
 * moves the file's ctime, by which git and the hash cache know that it has not changed.
 */
async function copyEntries(root: string, entries: Survey['entries'], to: string, signal?: AbortSignal): Promise<void> {
  mkdirSync(to);
  chmodSync(to, 0o755);
  let since = performance.now();
  for (const { path, origin, kind, mode, large } of entries) {
    if (performance.now() - since > turn) {
      await setImmediate();
      signal?.throwIfAborted();
      since = performance.now();
    }
    const source = join(root, origin);
    const copy = join(to, path);
    if (kind === 'link') symlinkSync(readlinkSync(source, { encoding: 'buffer' }), copy);
    else if (kind === 'file') {
      if (large) await copyFile(source, copy, constants.COPYFILE_FICLONE);
      else copyFileSync(source, copy, constants.COPYFILE_FICLONE);
      chmodSync(copy, (mode & 0o100) === 0 ? 0o644 : 0o755);
      // Engines that keep a context send only what has another time or size.
      const { atime, mtime } = lstatSync(source);
      utimesSync(copy, atime, mtime);
    } else {
      mkdirSync(copy);
      chmodSync(copy, 0o755);
    }
  }
}
