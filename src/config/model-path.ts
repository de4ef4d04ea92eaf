import { parsePath } from './path.ts';
import { Wrong } from './wrong.ts';

/** A path of one file in a model. Throws a Wrong. */
export function parseModelPath(value: string, of = 'the model'): string {
  const path = parsePath(value, of);
  if (path === '.' || value.endsWith('/')) throw new Wrong('this is a folder', `write the path of a file in ${of}`);
  // oxlint-disable-next-line no-control-regex -- these are what is refused
  if (/[\u0000-\u001F\u007F]/.test(path)) throw new Wrong('the path has a control character', 'write it without');
  return path;
}
