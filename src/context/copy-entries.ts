import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { Failure, type SourceLocation } from '../failure.ts';
import type { Graft } from './context-tree.ts';
import { cleanPath } from './go-path.ts';
import type { TreeNode, WorkTree } from './work-tree.ts';

/** As imgbuild.yaml has it; `locate` says where, for errors. */
export interface CopyEntry {
  src: string;
  dst: string;
  locate?: (key: 'src' | 'dst') => SourceLocation;
}

const inside = (path: string): boolean =>
  path !== '.' && path !== '..' && !path.startsWith('../') && !path.startsWith('/');

function exists(path: string): 'folder' | 'other' | undefined {
  try {
    return lstatSync(path).isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** The node of a path in the work tree, found from the top, no link followed. */
export function nodeAt(tree: WorkTree, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = tree.top;
  let at = '';
  for (const name of path === '' || path === '.' ? [] : path.split('/')) {
    if (node?.kind !== 'folder') return undefined;
    const found: TreeNode | undefined = tree.child(at, node, name);
    at = at === '' ? name : `${at}/${name}`;
    // Some things git does not list: what is in a .git folder, a folder that holds nothing but a socket.
    node = found ?? tree.diskNode(at, name);
  }
  return node;
}

/**
 * The copy entries of a layer, checked: `src` from the repository's root is put at `dst` in the context as `cp -r`
 * would. `base` is the context's folder. Throws a Failure when a source is missing or a destination is there.
 */
export function graftsOf(tree: WorkTree, base: string, copy: readonly CopyEntry[]): Graft[] {
  const grafts: Graft[] = [];
  for (const entry of copy) {
    const dst = cleanPath(entry.dst);
    const wrong = (because: string, fix: string, key: 'src' | 'dst' = 'dst'): Failure => {
      const at = entry.locate?.(key);
      return new Failure({
        doing: `copying ${entry.src} to ${entry.dst} in the context ${base || '.'}`,
        because,
        fix,
        kind: 'input',
        ...(at === undefined ? {} : { at }),
      });
    };
    if (!inside(dst)) throw wrong('the destination is not in the context', 'write a path below the context as dst:');
    const { src, node } = source(tree, cleanPath(entry.src), (because, fix) => wrong(because, fix, 'src'));
    for (let cut = dst.indexOf('/'); cut >= 0; cut = dst.indexOf('/', cut + 1)) {
      const parent = dst.slice(0, cut);
      if (standsAt(tree.root, base, grafts, parent) === 'other') {
        throw wrong(`${parent} in the context is no folder`, 'write another dst:');
      }
    }
    if (standsAt(tree.root, base, grafts, dst) || grafts.some((graft) => graft.dst.startsWith(`${dst}/`))) {
      throw wrong('the destination is already there', 'write another dst:, or remove what stands there');
    }
    grafts.push({ src, dst, node });
  }
  return grafts;
}

function source(
  tree: WorkTree,
  path: string,
  wrong: (because: string, fix: string) => Failure,
): { src: string; node: TreeNode } {
  const missing = (): Failure => wrong('the source does not exist', 'write a path from the repository’s root as src:');
  if (path === '.') return { src: '', node: tree.top };
  if (!inside(path))
    throw wrong('the source is not in the repository', 'write a path below the repository’s root as src:');
  let folder: string;
  try {
    folder = relative(realpathSync(tree.root), realpathSync(join(tree.root, dirname(path))));
  } catch {
    throw missing();
  }
  if (folder === '..' || folder.startsWith('../')) {
    throw wrong('a link on the way leads out of the repository', 'write a path below the repository’s root as src:');
  }
  const src = folder === '' ? basename(path) : `${folder}/${basename(path)}`;
  const node = nodeAt(tree, src);
  if (!node || node.kind === 'special') throw missing();
  return { src, node };
}

/** What stands at a path of the context, earlier entries included. */
function standsAt(root: string, base: string, grafts: readonly Graft[], path: string): 'folder' | 'other' | undefined {
  for (const { src, dst, node } of grafts) {
    if (path === dst) return node.kind === 'folder' ? 'folder' : 'other';
    if (path.startsWith(`${dst}/`)) return exists(join(root, src, path.slice(dst.length + 1)));
  }
  return exists(join(root, base, path));
}
