import { existsSync } from 'node:fs';
import { Failure } from '../../failure.ts';

/**
 * What a thread runs: `./NAME.js` beside the file at `from`, as a source and as the program, or one folder up, where that file
 * is one of those that the actions have in common.
 */
export function threadFile(from: string, name: `./${string}.js`): URL {
  const names = [name.replace(/\.js$/, '.ts'), name, `.${name}`];
  const found = names.map((each) => new URL(each, from)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new Failure({
    doing: 'starting a thread that codes files',
    because: `${name.slice(2)} is missing beside the program`,
    fix: 'install imgbuild anew, whole',
  });
}
