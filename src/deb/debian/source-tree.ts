import type { Config, Deb } from '../../config/config.ts';
import { posix } from 'node:path';
import type { SourceTree } from '../complete.ts';
import { troubleAt, type Trouble } from '../draft.ts';
import { debTrouble } from '../trouble.ts';
import { wordsByLine } from './install-file.ts';
import { readTextFile } from './text-file.ts';

/** All that lies beside debian/, without what `ignore:` and debian/not-installed name. */
export async function debianTree(
  config: Config,
  of: Deb,
  root: string,
  folder: string,
  trouble: Trouble,
): Promise<SourceTree> {
  const declared = of.ignore.map((pattern, index) => ({
    pattern,
    mustMatch: true,
    trouble: (because: string, fix: string) => debTrouble(config, of.name, ['ignore', index], because, fix),
  }));
  const listed = await readTextFile(config.root, `${folder}/not-installed`);
  const notInstalled = listed === undefined ? [] : wordsByLine(listed).flat();
  return {
    path: root,
    without: [folder],
    ignore: [
      ...declared,
      ...notInstalled.map((word) => ({
        pattern: posix.join(root, word.text.replace(/^\/+/, '')),
        mustMatch: false,
        trouble: (because: string, fix: string) =>
          troubleAt(listed!.at(word.line, word.column, word.text.length), because, fix),
      })),
    ],
    trouble,
  };
}
