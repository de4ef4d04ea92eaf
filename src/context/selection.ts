import type { FileSelection } from '../dockerfile/analysis.ts';
import type { ContextNode, ContextTree } from './context-tree.ts';
import { nameOf, withPatterns } from './context-tree.ts';
import { BadPattern, cleanPath, compilePattern, hasWildcard } from './go-path.ts';
import type { MatchState } from './pattern-matcher.ts';
import { PatternMatcher } from './pattern-matcher.ts';

/** What a selection reads. */
export interface Selected {
  /** Files, links and empty folders. */
  nodes: ContextNode[];
  /** Plain folders, for all below them. */
  folders: ContextNode[];
}

const mostLinks = 255;

interface Resolved {
  node: ContextNode | undefined;
  /** Links on the way, the last one included. */
  links: ContextNode[];
}

/**
 * What stands at `path` when each link is followed, as if the context were the root of the file system: `..` ends at
 * the context, an absolute target begins there (containerd's fs.RootPath, which BuildKit copies with).
 */
function resolve(tree: ContextTree, path: string): Resolved {
  const links: ContextNode[] = [];
  let rest = path.split('/');
  let trail: ContextNode[] = [];
  while (rest.length > 0) {
    const name = rest.shift()!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      trail.pop();
      continue;
    }
    const folder = trail.at(-1) ?? tree.top;
    if (folder.node.kind !== 'folder') return { node: undefined, links };
    const child = tree.child(folder, name);
    if (!child) return { node: undefined, links };
    if (child.node.kind !== 'link') {
      trail.push(child);
      continue;
    }
    links.push(child);
    if (links.length > mostLinks) return { node: undefined, links };
    const target = tree.readLink(child);
    if (target.startsWith('/')) trail = [];
    rest = [...target.split('/'), ...rest];
  }
  const node = trail.at(-1) ?? tree.top;
  return { node: tree.isThere(node) ? node : undefined, links };
}

/** Splits before the first part that has a wildcard. */
/**
 * Whether a build fails where the pattern matches nothing: a plain path. With --parents and --exclude BuildKit filters what
 * is below another folder, and finds nothing without an error.
 */
export function isRequired(selection: FileSelection, pattern: string): boolean {
  if (selection.via === 'mount') return true;
  return !selection.parents && selection.excludes.length === 0 && splitWildcards(pattern)[1] === '';
}

function splitWildcards(pattern: string): [plain: string, wild: string] {
  const parts = pattern.split('/');
  const first = parts.findIndex(hasWildcard);
  return first < 0 ? [pattern, ''] : [parts.slice(0, first).join('/'), parts.slice(first).join('/')];
}

/** What matches `wild` below `folder`. Links are not followed on the way down, and what matches is not looked into. */
function* glob(tree: ContextTree, folder: ContextNode, wild: string): Generator<ContextNode> {
  const whole = compilePattern(wild);
  const parts = whole.crossesSlash ? undefined : wild.split('/').map(compilePattern);
  const prefix = folder.path === '' ? 0 : folder.path.length + 1;
  function* down(at: ContextNode, depth: number): Generator<ContextNode> {
    for (const child of tree.list(at)) {
      const last = parts && depth === parts.length - 1;
      if (parts && !parts[depth]!.test(nameOf(child))) continue;
      const match = parts ? last : whole.test(child.path.slice(prefix));
      if (match) {
        if (tree.isThere(child)) yield child;
      } else if (child.node.kind === 'folder') yield* down(child, depth + 1);
    }
  }
  if (folder.node.kind === 'folder') yield* down(folder, 0);
}

/** --exclude and --parents: patterns relative to a source. */
interface Filters {
  include: PatternMatcher | undefined;
  exclude: PatternMatcher | undefined;
}

interface FilterStates {
  include: MatchState | undefined;
  exclude: MatchState | undefined;
}

/**
 * Selects what is below a folder; a folder only when it's copied and nothing below it is. Returns whether anything was
 * selected, and whether .dockerignore left anything at all below.
 */
function walk(
  tree: ContextTree,
  folder: ContextNode,
  filters: Filters,
  states: FilterStates,
  prefix: number,
  selected: Selected,
): { emitted: boolean; there: boolean } {
  if (!filters.include && !filters.exclude && tree.isPlain(folder)) {
    selected.folders.push(folder);
    return { emitted: true, there: true };
  }
  let emitted = false;
  let there = false;
  for (const child of tree.list(folder)) {
    const relative = child.path.slice(prefix);
    const isFolder = child.node.kind === 'folder';
    const below: FilterStates = {
      include: isFolder ? filters.include?.newState() : undefined,
      exclude: isFolder ? filters.exclude?.newState() : undefined,
    };
    const included = filters.include?.matches(relative, states.include, below.include) ?? true;
    const excluded = filters.exclude?.matches(relative, states.exclude, below.exclude) ?? false;
    const copied = included && !excluded;
    if (!isFolder) {
      there = true;
      if (copied && child.node.kind !== 'special') {
        selected.nodes.push(child);
        emitted = true;
      }
      continue;
    }
    const inside = walk(tree, child, filters, below, prefix, selected);
    if (child.ignored && !inside.there) continue;
    there = true;
    if (inside.emitted) emitted = true;
    else if (copied) {
      selected.nodes.push(child);
      emitted = true;
    }
  }
  return { emitted, there };
}

/** Selects a source and all below it. */
function copySource(tree: ContextTree, source: ContextNode, filters: Filters, selected: Selected): boolean {
  // A source itself is never excluded: patterns are relative to it.
  if (source.node.kind === 'special') return false;
  if (source.node.kind !== 'folder') {
    selected.nodes.push(source);
    return true;
  }
  const states = { include: filters.include?.newState(), exclude: filters.exclude?.newState() };
  const prefix = source.path === '' ? 0 : source.path.length + 1;
  const { emitted } = walk(tree, source, filters, states, prefix, selected);
  if (emitted || filters.include) return emitted;
  if (source.path !== '') selected.nodes.push(source);
  return true;
}

/**
 * Selects what one pattern of a COPY, ADD or bind mount reads (BuildKit's solver/llbsolver/file and fsutil/copy). A
 * source that is a link, or lies behind one, is followed; both the link and what it leads to are selected. Links that
 * are found in a folder are copied as links. Returns whether the pattern matched anything.
 */
export function selectPattern(
  tree: ContextTree,
  selection: FileSelection,
  pattern: string,
  selected: Selected,
): boolean {
  const filters: Filters = {
    include: undefined,
    exclude:
      selection.excludes.length === 0
        ? undefined
        : withPatterns(
            `reading ${selection.at.file}`,
            'mend the pattern of --exclude',
            () => new PatternMatcher(selection.excludes),
          ),
  };
  let source = pattern;
  if (selection.parents) {
    // The pivot: what stands before it is the source, what stands after it is kept as the path.
    const pivot = pattern.indexOf('/./');
    const kept = cleanPath(`/${pivot < 0 ? pattern : pattern.slice(pivot + 3)}`).slice(1);
    source = pivot < 0 ? '' : pattern.slice(0, pivot);
    if (kept !== '') {
      filters.include = withPatterns(
        `reading ${selection.at.file}`,
        'mend the pattern',
        () => new PatternMatcher([kept]),
      );
    }
  }
  source = cleanPath(`/${source}`).slice(1);
  const [plain, wild] = selection.via === 'mount' ? [source, ''] : splitWildcards(source);
  const base = resolve(tree, plain);
  for (const link of base.links) selected.nodes.push(link);
  if (!base.node) return false;
  if (wild === '') return copySource(tree, base.node, filters, selected);
  let matched = false;
  try {
    for (const match of glob(tree, base.node, wild)) {
      const resolved = match.node.kind === 'link' ? resolve(tree, match.path) : { node: match, links: [] };
      for (const link of resolved.links) selected.nodes.push(link);
      if (resolved.node && copySource(tree, resolved.node, filters, selected)) matched = true;
    }
  } catch (error) {
    // BuildKit takes a malformed wildcard for one that matches nothing.
    if (!(error instanceof BadPattern)) throw error;
  }
  return matched;
}
