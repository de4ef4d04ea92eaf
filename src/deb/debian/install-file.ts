import { posix } from 'node:path';
import { parsePath } from '../../config/path.ts';
import { Wrong } from '../../config/wrong.ts';
import { hasWildcard } from '../../files/glob.ts';
import { troubleAt } from '../draft.ts';
import type { Placement } from '../placement.ts';
import { expandBraces } from './braces.ts';
import type { TextFile } from './text-file.ts';

export interface Word {
  text: string;
  line: number;
  column: number;
}

/** Words of each line that has some; comments are lines of their own. */
export function wordsByLine(file: TextFile): Word[][] {
  return file.lines.flatMap((row, index) => {
    if (/^\s*(?:#|$)/.test(row)) return [];
    const words = [...row.matchAll(/\S+/g)].map(({ 0: text, index: at }) => ({
      text,
      line: index + 1,
      column: at + 1,
    }));
    return [words];
  });
}

/**
 * `SOURCE… FOLDER`, or `SOURCE` alone, which keeps its path (dh_install(1)). `tree`: the folder that sources are
 * relative to, itself relative to the repository's root. Throws a Failure at a word that is wrong.
 */
export function readInstallFile(file: TextFile, tree: string): Placement[] {
  return wordsByLine(file).flatMap((words) => {
    const sources = words.length === 1 ? words : words.slice(0, -1);
    const folder = words.length === 1 ? undefined : words.at(-1)!;
    return sources.flatMap((word) => placementsOf(file, word, folder, tree));
  });
}

/** One source, at its place; braces stand for several. */
export function placementsOf(file: TextFile, word: Word, folder: Word | undefined, tree: string): Placement[] {
  const trouble = (key: 'src' | 'dst', because: string, fix: string) => {
    const at = key === 'dst' && folder !== undefined ? folder : word;
    return troubleAt(file.at(at.line, at.column, at.text.length), because, fix);
  };
  if (word.text === '=>' || folder?.text === '=>' || /\$\{/.test(word.text)) {
    throw trouble('src', `${word.text} is for dh-exec`, 'write SOURCE FOLDER, without renaming');
  }
  const dst = folder === undefined ? undefined : `/${folder.text.replace(/^\/+/, '')}`;
  if (dst?.split('/').includes('..')) throw trouble('dst', 'the path contains ..', 'write it without ..');
  return expandBraces(word.text).map((text) => {
    let src: string;
    try {
      src = parsePath(posix.join(tree, text.replace(/^\/+/, '')));
    } catch (error) {
      if (!(error instanceof Wrong)) throw error;
      throw trouble('src', error.message, error.fix);
    }
    // A shell's [^x] is [!x] of ours; both are read.
    const own = dst ?? `/${posix.dirname(text.replace(/^(?:\.\/|\/)+/, '').replace(/^debian\/tmp\//, ''))}`;
    if (dst === undefined && hasWildcard(posix.dirname(text))) {
      throw trouble('src', `${text} has a wildcard in a folder and no folder to go to`, 'write SOURCE FOLDER');
    }
    return { type: 'file', src, dst: own === '/.' ? '/' : own, naming: 'name', trouble };
  });
}
