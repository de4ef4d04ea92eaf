import type { Failure } from '../failure.ts';
import type { Graft } from './context-tree.ts';
import { cleanPath } from './go-path.ts';
import { nodeAt } from './node-at.ts';
import type { TreeNode, WorkTree } from './work-tree.ts';

/** A context with what was copied into it so far. */
export interface CopiedContext {
  tree: WorkTree;
  /** The context's folder in the tree; '' for the root. */
  base: string;
  /** By where they are in the context; the later of two under one path counts. */
  grafts: Map<string, Graft>;
}

/** What stands at a path of a context. */
interface Standing {
  /** In the tree; '' for a folder that is there only for what was copied below it. */
  origin: string;
  node: TreeNode;
  /** Whether a copy brought it. */
  copied: boolean;
  /** Whose mode it has, where that is another file's. */
  modeFrom?: string;
}

const below = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

export const isInside = (path: string): boolean =>
  path !== '.' && path !== '..' && !path.startsWith('../') && !path.startsWith('/');

export function standingAt({ tree, base, grafts }: CopiedContext, path: string): Standing | undefined {
  for (let cut = path; ; cut = parentOf(cut)) {
    const graft = grafts.get(cut);
    if (graft && cut === path) {
      const { src, node, modeFrom } = graft;
      return { origin: src, node, copied: true, ...(modeFrom === undefined ? {} : { modeFrom }) };
    }
    if (graft) {
      const origin = below(graft.src, cut === '' ? path : path.slice(cut.length + 1));
      const node = nodeAt(tree, origin);
      if (node) return { origin, node, copied: true };
      break;
    }
    if (cut === '') {
      const origin = path === '' ? base : below(base, path);
      const node = nodeAt(tree, origin);
      if (node) return { origin, node, copied: false };
      break;
    }
  }
  const isMade = [...grafts.keys()].some((dst) => dst.startsWith(`${path}/`));
  return isMade ? { origin: '', node: { name: '', kind: 'folder', first: -1, end: -1 }, copied: true } : undefined;
}

/** Where a path of the repository is in the context; undefined outside of it, and for the context's folder itself. */
export function ownPath(base: string, path: string): string | undefined {
  if (base === '') return path;
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}

/** What an entry copies, also where earlier entries brought it. Undefined where there is nothing. */
export function sourceIn(context: CopiedContext, src: string): { src: string; node: TreeNode } | undefined {
  const { base, tree } = context;
  const own = ownPath(base, src);
  const there = own === undefined || own === '' ? undefined : standingAt(context, own);
  if (there && there.origin !== '') return { src: there.origin, node: there.node };
  const node = nodeAt(tree, src);
  return node && { src, node };
}

/**
 * Copies as `cp -r` does once it knows that `dst` is what becomes of the source: folders are merged, files written over
 * and keep the mode of what was there, links replaced; a file is written through a link. `refuse` makes the Failure for
 * what cp refuses too, and for a file of the tree that git tracks, which no copy may replace.
 */
export function mergeCopy(
  context: CopiedContext,
  { src, node }: { src: string; node: TreeNode },
  dst: string,
  refuse: (because: string, fix: string) => Failure,
): void {
  const { tree, base, grafts } = context;
  if (node.kind === 'special') return;
  const there = standingAt(context, dst);
  const name = below(base, dst);
  if (!there) {
    grafts.set(dst, { src, dst, node });
    return;
  }
  if (node.kind === 'folder') {
    if (there.node.kind !== 'folder')
      throw refuse(`${name} is no folder, and ${src} is one`, 'write another destination');
    for (const child of tree.list(src, node)) {
      mergeCopy(context, { src: below(src, child.name), node: child }, below(dst, child.name), refuse);
    }
    return;
  }
  if (there.node.kind === 'folder')
    throw refuse(`${name} is a folder, and ${src} is none`, 'write another destination');
  if (node.kind === 'file' && there.node.kind === 'link') {
    const target = linkTarget(context, dst);
    if (target === undefined) {
      throw refuse(
        `${name} is a link, and what it leads to is not in the context: it cannot be written through`,
        'write another destination',
      );
    }
    mergeCopy(context, { src, node }, target, refuse);
    return;
  }
  if (!there.copied && there.origin === src) throw refuse(`${src} would be copied onto itself`, 'take the entry out');
  if (!there.copied && tree.tracks(there.origin)) {
    throw refuse(`${src} would overwrite ${name}, which git tracks`, 'write another destination, or remove that file');
  }
  // A file that is written over keeps its mode; a link, or what a link replaces, is made anew.
  const kept = node.kind === 'file' && there.node.kind === 'file' ? { modeFrom: there.modeFrom ?? there.origin } : {};
  grafts.set(dst, { src, dst, node, ...kept });
}

/** Where a link of a context ends in it; undefined where it leads nowhere, or out. */
function linkTarget(context: CopiedContext, path: string): string | undefined {
  let at = path;
  for (let links = 0; links < 40; links++) {
    const there = standingAt(context, at);
    if (there?.node.kind !== 'link') return there && at;
    const target = context.tree.readLink(there.origin);
    if (target.startsWith('/')) return undefined;
    at = cleanPath(below(parentOf(at), target));
    if (!isInside(at)) return undefined;
  }
  return undefined;
}
