import { posix } from 'node:path';
import { Wrong } from './wrong.ts';

/**
 * A path below a folder: POSIX, without `./` in front or a slash at the end; `.` is the folder itself.
 * Throws a Wrong on an absolute path and on one that leaves the folder, which `of` names.
 */
export function parsePath(text: string, of = "the repository's root"): string {
  if (text === '') throw new Wrong('the path is empty', `write a path relative to ${of}`);
  if (text.includes('\0')) throw new Wrong('the path contains a NUL character', `write a path relative to ${of}`);
  if (text.includes('\\')) throw new Wrong('the path contains a backslash', `write ${text.replaceAll('\\', '/')}`);
  if (text.startsWith('/') || /^[A-Za-z]:/.test(text)) {
    throw new Wrong('the path is absolute', `write it relative to ${of}`);
  }
  if (text.startsWith('~')) throw new Wrong('~ stands for no folder here', `write a path relative to ${of}`);
  const path = posix.normalize(text).replace(/(.)\/$/, '$1');
  if (path === '..' || path.startsWith('../')) {
    throw new Wrong(`the path leaves ${of}`, `move what is needed below ${of}, and write its path from there`);
  }
  return path;
}
