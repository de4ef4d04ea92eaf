import { readFile, realpath, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Failure } from '../failure.ts';
import type { FileSelection } from '../dockerfile/analysis.ts';
import type { BuildContext, HashedEntry, MissingSource } from './context.ts';
import { ContextTree, withPatterns } from './context-tree.ts';
import { graftsOf, type CopyEntry } from './copy-entries.ts';
import { parseIgnoreFile } from './ignore-file.ts';
import { lostModes, materialise } from './materialise.ts';
import { nodeAt } from './node-at.ts';
import { PatternMatcher } from './pattern-matcher.ts';
import type { Selected } from './selection.ts';
import { checkOutputs, isPrepared, preparedGrafts, prepareFiles, type PreparedContext } from './prepared.ts';
import { isRequired, selectPattern } from './selection.ts';
import { changedOrigins, selectedFiles } from './selected-files.ts';
import { WorkTree, openWorkTree } from './work-tree.ts';

export interface ContextOptions {
  /** Absolute path of the folder that holds imgbuild.yaml. */
  root: string;
  /** Paths relative to the root. */
  layer: {
    context: string;
    dockerfile: string;
    /** In the place of the file's text. */
    generated?: { text: string };
    copy: readonly CopyEntry[];
    prepare?: PreparedContext;
    git: boolean;
  };
  /** Of the same root; one for all layers of a plan. */
  tree: WorkTree;
  signal?: AbortSignal;
}

/** The patterns that keep files out of a context, and where they come from. */
interface Ignore {
  /** Relative to the root; undefined: there is no such file. */
  file: string | undefined;
  patterns: string[];
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw new Failure({
      doing: `reading ${path}`,
      because: (error as Error).message,
      fix: 'make it readable',
      kind: 'input',
      cause: error,
    });
  }
}

/** `<Dockerfile>.dockerignore` wins over the context's .dockerignore. */
async function readIgnore(root: string, context: string, dockerfile: string): Promise<Ignore> {
  for (const file of [`${dockerfile}.dockerignore`, join(context, '.dockerignore')]) {
    const text = await readIfThere(join(root, file));
    if (text !== undefined) return { file, patterns: parseIgnoreFile(text).map((line) => line.pattern) };
  }
  return { file: undefined, patterns: [] };
}

/** The context's folder in the work tree, links on the way followed. */
async function contextFolder(options: ContextOptions): Promise<string> {
  const { root, layer } = options;
  const wrong = (because: string): Failure =>
    new Failure({
      doing: `opening the context ${layer.context}`,
      because,
      fix: 'name a folder in `context:`',
      kind: 'input',
    });
  let real: string;
  try {
    real = await realpath(join(root, layer.context));
    if (!(await stat(real)).isDirectory()) throw wrong('it is no folder');
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw wrong('it does not exist');
  }
  const base = relative(await realpath(options.tree.root), real);
  if (base === '..' || base.startsWith('../')) throw wrong('it leads out of the repository');
  return base;
}

/**
 * A layer's build context. Throws a Failure when the context is no folder, an ignore pattern is malformed, or a copy
 * entry's source is missing or its destination is there.
 */
export async function openContext(options: ContextOptions): Promise<BuildContext> {
  const { root, layer, signal } = options;
  const ignore = await readIgnore(root, layer.context, layer.dockerfile);
  const matcher = withPatterns(
    `reading ${ignore.file}`,
    'mend the pattern (https://docs.docker.com/build/concepts/context/#dockerignore-files)',
    () => new PatternMatcher(ignore.patterns),
  );
  const base = await contextFolder(options);
  const outputs = layer.prepare?.outputs ?? [];
  const contextIn = (tree: WorkTree, prepared?: string): ContextTree => {
    const made = prepared === undefined ? [] : preparedGrafts(tree, prepared, outputs);
    const grafts = [...graftsOf(tree, base, layer.copy), ...made];
    return new ContextTree(tree, base, nodeAt(tree, base)!, grafts, matcher, layer.git, outputs);
  };
  if (layer.prepare) checkOutputs(options.tree, base, layer.prepare);
  const context = contextIn(options.tree);
  const onDisk = (prepared?: string): ContextTree =>
    contextIn(new WorkTree(options.tree.root, undefined, signal), prepared);

  const collect = (
    selections: readonly FileSelection[],
    missing?: (selection: FileSelection, index: number) => void,
  ): Selected => {
    const selected: Selected = { nodes: [], folders: [] };
    for (const selection of selections) {
      for (const [index, pattern] of selection.patterns.entries()) {
        signal?.throwIfAborted();
        if (!selectPattern(context, selection, pattern, selected)) missing?.(selection, index);
      }
    }
    return selected;
  };

  // What each answer was, for `changed`. Platforms that read the same files ask for the same.
  const answers = new Map<string, Iterable<HashedEntry>>();
  const select = async (selections: readonly FileSelection[]): Promise<Iterable<HashedEntry>> => {
    const entries = await selectedFiles(context, collect(selections));
    answers.set(JSON.stringify(selections), entries);
    return entries;
  };

  let prepared: HashedEntry[] | undefined;
  return {
    select,
    all: () => select([wholeContext]),
    async prepareInputs() {
      return (prepared ??= layer.prepare ? await prepareFiles(options.tree, layer.prepare) : []);
    },
    async changed(selections, abort = signal) {
      const asked = selections ?? [wholeContext];
      const before = answers.get(JSON.stringify(asked));
      if (before === undefined) throw new TypeError('these selections were not asked for before');
      const tree = await openWorkTree(options.tree.root, { signal: abort });
      try {
        const now = await openContext({ ...options, tree, signal: abort });
        const changed = changedOrigins(before, await now.select(asked));
        for (const origin of changedOrigins(prepared ?? [], prepared ? await now.prepareInputs() : []))
          changed.add(origin);
        return [...changed].toSorted();
      } finally {
        await tree.close();
      }
    },
    missing(selections) {
      const found: MissingSource[] = [];
      collect(selections, (selection, index) => {
        const pattern = selection.patterns[index]!;
        if (isPrepared(outputs, pattern)) return;
        const at = selection.places?.[index] ?? selection.at;
        found.push({ pattern, at, required: isRequired(selection, pattern) });
      });
      return found;
    },
    lostModes: async () => lostModes(options.tree.root, base, origins(context, collect([wholeContext]))),
    materialise: (made) =>
      materialise({
        disk: onDisk(made),
        folder: join(options.tree.root, base),
        dockerfile: join(root, layer.dockerfile),
        ...(layer.generated ? { dockerfileText: layer.generated.text } : {}),
        patterns: ignore.patterns,
        git: layer.git,
        grafted: layer.copy.length > 0 || layer.prepare !== undefined,
        signal,
      }),
  };
}

const wholeContext: FileSelection = {
  via: 'copy',
  patterns: ['.'],
  excludes: [],
  parents: false,
  at: { file: '', line: 1, column: 1, length: 1, text: '' },
};

function* origins({ tree }: ContextTree, selected: Selected): Generator<string> {
  for (const { origin } of selected.nodes) yield origin;
  for (const { node } of selected.folders) for (let slot = node.first; slot < node.end; slot++) yield tree.origin(slot);
}
