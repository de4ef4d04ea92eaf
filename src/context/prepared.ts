import { Failure, type SourceLocation } from '../failure.ts';
import type { FileSelection } from '../dockerfile/analysis.ts';
import type { HashedEntry } from './context.ts';
import { ContextTree, type Graft } from './context-tree.ts';
import { cleanPath, hasWildcard } from './go-path.ts';
import { nodeAt } from './node-at.ts';
import { PatternMatcher } from './pattern-matcher.ts';
import { selectedFiles } from './selected-files.ts';
import { selectPattern, type Selected } from './selection.ts';
import type { WorkTree } from './work-tree.ts';

/** `prepare:` of a layer; `locate` says where a part of it stands. */
export interface PreparedContext {
  run: readonly string[];
  inputs: readonly string[];
  /** Relative to the context. */
  outputs: readonly string[];
  after: readonly string[];
  locate?: (...path: (string | number)[]) => SourceLocation;
}

const under = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

function placeOf({ locate, run }: PreparedContext, ...path: (string | number)[]): SourceLocation {
  return locate?.(...path) ?? { file: run[0] ?? '.', line: 1, column: 1, length: 1, text: '' };
}

/** Whether a source of COPY or ADD may lie in what is made, or have it in it. */
export function isPrepared(outputs: readonly string[], pattern: string): boolean {
  const parts = cleanPath(`/${pattern}`).slice(1).split('/');
  const wild = parts.findIndex(hasWildcard);
  const plain = (wild < 0 ? parts : parts.slice(0, wild)).join('/');
  return outputs.some((output) => plain === '' || under(plain, output) || under(output, plain));
}

/** The scripts and what they read, hashed. Throws a Failure where something is not there. */
export async function prepareFiles(tree: WorkTree, prepare: PreparedContext): Promise<HashedEntry[]> {
  const whole = new ContextTree(tree, '', tree.top, [], new PatternMatcher([]), false);
  const selected: Selected = { nodes: [], folders: [] };
  const wanted = (['run', 'after', 'inputs'] as const).flatMap((key) =>
    prepare[key].map((path, index) => ({ path, at: placeOf(prepare, key, index) })),
  );
  for (const { path, at } of wanted) {
    // As a mount has it: nothing in the path is a pattern.
    const selection: FileSelection = { via: 'mount', patterns: [path], excludes: [], parents: false, at };
    if (selectPattern(whole, selection, path, selected)) continue;
    const fix = 'make it, or mend the path';
    throw new Failure({ doing: `reading ${at.file}`, because: `there is no ${path}`, fix, at, kind: 'input' });
  }
  return [...(await selectedFiles(whole, selected))];
}

/** Throws a Failure where something would be made over what git tracks. */
export function checkOutputs(tree: WorkTree, base: string, prepare: PreparedContext): void {
  for (const [index, output] of prepare.outputs.entries()) {
    const path = base === '' ? output : `${base}/${output}`;
    if (!tree.tracks(path)) continue;
    const at = placeOf(prepare, 'outputs', index);
    const because = `${path} would be made, and git tracks it`;
    const fix = 'name another output, or take it out of git';
    throw new Failure({ doing: `reading ${at.file}`, because, fix, at, kind: 'input' });
  }
}

/** What was made, in the context. `folder` has it, relative to the tree. */
export function preparedGrafts(tree: WorkTree, folder: string, outputs: readonly string[]): Graft[] {
  return outputs.flatMap((output) => {
    const node = nodeAt(tree, `${folder}/${output}`);
    return node ? [{ src: `${folder}/${output}`, dst: output, node }] : [];
  });
}
