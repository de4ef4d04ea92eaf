import { Failure } from '../failure.ts';
import { BadPattern } from './go-path.ts';
import type { MatchState } from './pattern-matcher.ts';
import type { PatternMatcher } from './pattern-matcher.ts';
import type { TreeNode, WorkTree } from './work-tree.ts';

/** What a copy entry brings to a place in the context; what the tree has there is hidden. */
export interface Graft {
  /** Relative to the work tree. */
  src: string;
  /** Relative to the context. */
  dst: string;
  node: TreeNode;
  /** A file of the tree whose mode it has in place of its own: it was copied over that. */
  modeFrom?: string;
}

/** A child of a context's folder. */
export interface ContextNode {
  path: string;
  origin: string;
  /** As of a graft. */
  modeFrom?: string;
  node: TreeNode;
  /** .dockerignore excludes it; a folder is there all the same when something below it is not excluded. */
  ignored: boolean;
  /** What its children are matched with. Only folders. */
  state: MatchState | undefined;
}

const join = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`);

/** The path of the folder above; '' for what lies at the top. */
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf('/')));

/**
 * A build context as its engine sees it: a folder of the work tree, copy entries grafted in, .dockerignore applied.
 * Paths are relative to the context, '' the context itself.
 */
export class ContextTree {
  readonly tree: WorkTree;
  readonly #grafts: ReadonlyMap<string, Graft>;
  /** Folders that exist because a copy entry's destination lies below. */
  readonly #graftParents: ReadonlyMap<string, readonly string[]>;
  readonly #hidden: ReadonlySet<string>;
  readonly matcher: PatternMatcher;
  readonly #git: boolean;
  readonly top: ContextNode;

  /** `base` is the context's folder in the work tree, `node` its node; `hidden`: paths that are not in the context. */
  constructor(
    tree: WorkTree,
    base: string,
    node: TreeNode,
    grafts: readonly Graft[],
    matcher: PatternMatcher,
    git: boolean,
    hidden: readonly string[] = [],
  ) {
    this.tree = tree;
    this.#grafts = new Map(grafts.map((graft) => [graft.dst, graft]));
    const parents = new Map<string, string[]>();
    for (const { dst } of grafts) {
      for (let path = dst; path !== ''; path = parentOf(path)) {
        const parent = parentOf(path);
        const names = parents.get(parent) ?? [];
        const name = path.slice(parent === '' ? 0 : parent.length + 1);
        if (!names.includes(name)) parents.set(parent, [...names, name]);
      }
    }
    for (const path of hidden) parents.set(parentOf(path), parents.get(parentOf(path)) ?? []);
    for (const path of hidden) {
      for (let above = parentOf(path); above !== ''; above = parentOf(above))
        parents.set(parentOf(above), parents.get(parentOf(above)) ?? []);
    }
    this.#hidden = new Set(hidden);
    this.#graftParents = parents;
    this.matcher = matcher;
    this.#git = git;
    this.top = { path: '', origin: base, node, ignored: false, state: matcher.newState() };
  }

  /** Whether something that is never sent has this name. */
  #forbidden(name: string): boolean {
    return name === '.imgbuild' || (name === '.git' && !this.#git);
  }

  /** Children, .dockerignore applied; files that it excludes are left out, as are folders with nothing else in them. */
  list(folder: ContextNode): ContextNode[] {
    const found: ContextNode[] = [];
    // A folder that is there for a copy entry only has no node of its own in the tree.
    const nodes = folder.node === madeFolder ? [] : this.tree.list(folder.origin, folder.node);
    if (this.#git && folder.node.first >= 0) {
      const node = this.tree.diskNode(join(folder.origin, '.git'), '.git');
      if (node) nodes.push(node);
    }
    const grafted = this.#graftParents.get(folder.path);
    for (const node of nodes) {
      const path = join(folder.path, node.name);
      if (this.#forbidden(node.name) || this.#hidden.has(path) || this.#grafts.has(path)) continue;
      this.#add(found, folder, node, join(folder.origin, node.name));
    }
    for (const name of grafted ?? []) {
      const graft = this.#grafts.get(join(folder.path, name));
      if (graft) this.#add(found, folder, { ...graft.node, name }, graft.src, name, graft.modeFrom);
      else if (!nodes.some((node) => node.name === name)) this.#add(found, folder, madeFolder, '', name);
    }
    return found;
  }

  #add(
    found: ContextNode[],
    folder: ContextNode,
    node: TreeNode,
    origin: string,
    name = node.name,
    modeFrom?: string,
  ): void {
    const path = join(folder.path, name);
    if (node.kind !== 'folder') {
      if (this.matcher.matches(path, folder.state)) return;
      this.#checkName(origin, name);
      const other = modeFrom === undefined ? {} : { modeFrom };
      found.push({ path, origin, ...other, node, ignored: false, state: undefined });
      return;
    }
    const state = this.matcher.newState();
    const ignored = this.matcher.matches(path, folder.state, state);
    if (ignored && this.matcher.excludesAllBelow(path)) return;
    this.#checkName(origin, name);
    found.push({ path, origin, node, ignored, state });
  }

  /** Bytes that are no UTF-8 are read as U+FFFD, and no file has that name. */
  #checkName(origin: string, name: string): void {
    if (!name.includes('\uFFFD') || this.tree.diskNode(origin, name)) return;
    throw new Failure({
      doing: 'listing the build context',
      because: `the name ${JSON.stringify(origin)} is not valid UTF-8, which no engine takes`,
      fix: 'rename it, or leave its folder out by .dockerignore',
      kind: 'input',
    });
  }

  /** The child of this name. */
  child(folder: ContextNode, name: string): ContextNode | undefined {
    let children = this.#children.get(folder.path);
    if (!children) {
      children = new Map(this.list(folder).map((child) => [nameOf(child), child]));
      this.#children.set(folder.path, children);
    }
    return children.get(name);
  }

  /** Listings of folders on the way to sources, by path. */
  readonly #children = new Map<string, Map<string, ContextNode>>();

  /** Whether all below a folder is in the context, unchanged, and its content known from git. */
  isPlain(folder: ContextNode): boolean {
    return (
      !this.#git &&
      !this.#graftParents.has(folder.path) &&
      !this.matcher.mayMatchBelow(folder.path, folder.state!) &&
      this.tree.isPlain(folder.origin, folder.node)
    );
  }

  readLink(link: ContextNode): string {
    return this.tree.readLink(link.origin);
  }

  /** Whether anything is left of a folder that .dockerignore excludes. */
  isThere(node: ContextNode): boolean {
    if (!node.ignored) return true;
    return this.list(node).some((child) => this.isThere(child));
  }
}

export const nameOf = (node: ContextNode): string => node.path.slice(node.path.lastIndexOf('/') + 1);

const madeFolder: TreeNode = { name: '', kind: 'folder', first: -1, end: -1 };

/** `make`'s result, with a malformed pattern told as a Failure. */
export function withPatterns<T>(doing: string, fix: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof BadPattern)) throw error;
    throw new Failure({
      doing,
      because: `${JSON.stringify(error.message)} is no valid pattern`,
      fix,
      kind: 'input',
      cause: error,
    });
  }
}
