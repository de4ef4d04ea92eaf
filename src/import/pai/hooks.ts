import { posix } from 'node:path';
import type { Failure, SourceLocation } from '../../failure.ts';
import type { ForeignProject } from '../foreign-tree.ts';
import type { Disk } from '../disk.ts';
import { placeIn, wrongIn } from '../place.ts';

/** What the hooks of a component read and make, as imgbuild.yaml says. */
export interface DeclaredHook {
  inputs: readonly string[];
  outputs: readonly string[];
  env: readonly string[];
}

export interface ComponentHook {
  /** `prepare:` of its layers. */
  prepare: Partial<Record<'run' | 'inputs' | 'outputs' | 'env' | 'after', string[]>>;
  at: SourceLocation;
}

/** build-pre.sh and build-post.sh of a component. One whose inputs and outputs nobody says is a failure. */
export function hookOf(
  disk: Disk,
  folder: string,
  declared: DeclaredHook | undefined,
  advice: ForeignProject['advice'],
  failures: Failure[],
): ComponentHook | undefined {
  const before = posix.join(folder, 'build/build-pre.sh');
  const after = posix.join(folder, 'build/build-post.sh');
  const [pre, post] = [disk.text(before), disk.text(after)];
  const text = pre ?? post;
  if (text === undefined) return undefined;
  const at = placeIn(pre === undefined ? after : before, text);
  if (pre === undefined && !declared) {
    advice.push({ at, text: 'not run: what it tidies up is never in the tree; hooks: in imgbuild.yaml has it run' });
    return undefined;
  }
  const guess = pre === undefined ? undefined : guessed(folder, pre);
  if (!declared && !guess) {
    const component = posix.basename(folder);
    const form = `hooks: { ${component}: { inputs: [what it reads], outputs: [what it makes in ${folder}] } }`;
    failures.push(wrongIn(at, 'what this script reads and makes is not known', `say it in include: pai: ${form}`));
    return undefined;
  }
  if (!declared) {
    const { inputs, outputs } = guess!;
    const list = (paths: readonly string[]) => paths.join(', ') || 'nothing';
    advice.push({ at, text: `it is taken to read ${list(inputs)} and to make ${list(outputs)} in ${folder}` });
  }
  const { inputs, outputs, env } = declared ?? { ...guess!, env: [] };
  const parts = {
    run: pre === undefined ? [] : [before],
    inputs: [...inputs],
    outputs: [...outputs],
    env: [...env],
    after: post === undefined ? [] : [after],
  };
  return { at, prepare: Object.fromEntries(Object.entries(parts).filter(([, paths]) => paths.length > 0)) };
}

const toOwnFolder = /^(?:pushd|cd)\s+"?\$\(dirname "?\$0"?\)"?(?:\s*>\s*\/dev\/null)?$/;
/** Whole lines: another command may follow none of them. */
const harmless = /^(?:#.*|popd(?:\s*>\s*\/dev\/null)?|set\s+-\w+|rm\s+-rf?\s[^`;&|<>()]*|echo\s[^`$;&|<>]*)?$/;

/**
 * Of a script that does nothing but copy from where it stands: what it reads, and what it makes in the component.
 * Undefined for all others.
 */
export function guessed(folder: string, script: string): { inputs: string[]; outputs: string[] } | undefined {
  const inputs = new Set<string>();
  const outputs = new Set<string>();
  const lines = script.split('\n').map((line) => line.trim());
  if (!lines.some((line) => toOwnFolder.test(line))) return undefined;
  const place = (word: string) => posix.join(folder, 'build', word).replace(/(.)\/$/, '$1');
  // What there is where it runs: nothing of the tree but its inputs.
  const folders = new Set([folder, posix.join(folder, 'build')]);
  for (const line of lines) {
    if (harmless.test(line) || toOwnFolder.test(line)) continue;
    const [command, ...words] = line.split(/\s+/).map((word) => word.replace(/^(["'])(.*)\1$/, '$2'));
    if (words.some((word) => /[$`*?[\]{}&|;<>"'\\]/.test(word))) return undefined;
    const flags = words.filter((word) => word.startsWith('-')).join('');
    const paths = words.filter((word) => !word.startsWith('-')).map(place);
    if (command === 'mkdir') {
      for (const path of paths) folders.add(path);
      continue;
    }
    const target = paths.pop();
    if (command !== 'cp' || paths.length === 0 || flags.includes('--')) return undefined;
    if (target !== folder && !target!.startsWith(`${folder}/`)) return undefined;
    // -T: it is that path itself, whatever stands there.
    const into = !flags.includes('T') && (folders.has(target!) || paths.length > 1);
    for (const from of paths) {
      if (from === '..' || from.startsWith('../')) return undefined;
      inputs.add(from);
      const made = into ? posix.join(target!, posix.basename(from)) : target!;
      outputs.add(posix.relative(folder, made));
      folders.add(made);
    }
  }
  return { inputs: [...inputs], outputs: [...outputs] };
}
