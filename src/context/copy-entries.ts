import { realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { Failure, type SourceLocation } from '../failure.ts';
import type { Graft } from './context-tree.ts';
import { cleanPath } from './go-path.ts';
import { isInside, mergeCopy, ownPath, sourceIn, standingAt, type CopiedContext } from './merge-copies.ts';
import { nodeAt } from './node-at.ts';
import type { TreeNode, WorkTree } from './work-tree.ts';

/** As imgbuild.yaml has it; `locate` says where, for errors. */
export interface CopyEntry {
  src: string;
  dst: string;
  /** Into folders that are there, and over files that git does not track. */
  merge?: boolean;
  locate?: (key: 'src' | 'dst') => SourceLocation;
}

/**
 * The copy entries of a layer, checked: `src` from the repository's root is put at `dst` in the context. `base` is the
 * context's folder. Throws a Failure when a source is missing, or a destination is there and may not be.
 */
export function graftsOf(tree: WorkTree, base: string, copy: readonly CopyEntry[]): Graft[] {
  const context: CopiedContext = { tree, base, grafts: new Map() };
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
    const whole = entry.merge === true && dst === '.';
    if (!whole && !isInside(dst)) {
      throw wrong('the destination is not in the context', 'write a path below the context as dst:');
    }
    const from = source(context, cleanPath(entry.src), (because, fix) => wrong(because, fix, 'src'));
    const to = whole ? base : base === '' ? dst : `${base}/${dst}`;
    const holds = from.node.kind === 'folder' && (from.src === '' || to === from.src || to.startsWith(`${from.src}/`));
    if (entry.merge && holds) {
      const because = `${entry.src} would be copied into itself`;
      throw wrong(because, 'copy what is needed of it, or to a place outside of it');
    }
    for (let cut = dst.indexOf('/'); cut >= 0; cut = dst.indexOf('/', cut + 1)) {
      const parent = dst.slice(0, cut);
      const kind = standingAt(context, parent)?.node.kind;
      if (kind !== undefined && kind !== 'folder') {
        throw wrong(`${parent} in the context is no folder`, 'write another dst:');
      }
    }
    if (entry.merge) {
      copyWithin(context, from, cleanPath(entry.src), whole ? '' : dst, wrong);
      continue;
    }
    if (standingAt(context, dst)) {
      throw wrong('the destination is already there', 'write another dst:, or remove what stands there');
    }
    context.grafts.set(dst, { ...from, dst });
  }
  return [...context.grafts.values()];
}

/** A source in the context itself has what earlier entries brought below it. */
function copyWithin(
  context: CopiedContext,
  from: { src: string; node: TreeNode },
  src: string,
  dst: string,
  wrong: (because: string, fix: string) => Failure,
): void {
  const { base, grafts } = context;
  const own = ownPath(base, src);
  const brought = own === undefined ? [] : [...grafts.values()].filter((graft) => graft.dst.startsWith(`${own}/`));
  mergeCopy(context, from, dst, wrong);
  for (const graft of brought) mergeCopy(context, graft, dst + graft.dst.slice(own!.length), wrong);
}

function source(
  context: CopiedContext,
  path: string,
  wrong: (because: string, fix: string) => Failure,
): { src: string; node: TreeNode } {
  const { tree } = context;
  const missing = (): Failure => wrong('the source does not exist', 'write a path from the repository’s root as src:');
  if (path === '.') return { src: '', node: tree.top };
  if (!isInside(path))
    throw wrong('the source is not in the repository', 'write a path below the repository’s root as src:');
  const copied = sourceIn(context, path);
  if (copied && copied.src !== path && copied.node.kind !== 'special') return copied;
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
