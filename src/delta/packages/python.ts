import { posix } from 'node:path';
import type { ListedPackage } from './dpkg.ts';

const wheel = /^((?:.*\/)?([^/]+?)-([^/-]+)\.dist-info)\/RECORD$/;
const egg = /^((?:.*\/)?([^/]+?)-([^/-]+)(?:-py[0-9.]+)?\.egg-info)\/(installed-files|top_level)\.txt$/;

/**
 * Packages that Python's installers put there: by their RECORD (the specification "Recording installed projects"), by pip's
 * installed-files.txt, or where a package has neither, by the names of its top-level modules.
 */
export function* pythonPackages(lists: ReadonlyMap<string, Buffer>): Generator<ListedPackage> {
  for (const [path, text] of lists) {
    const [, folder, name, version] = wheel.exec(path) ?? [];
    if (folder !== undefined) {
      const files = recorded(text).map((each) => inTree(posix.dirname(folder), each));
      yield { kind: 'python', name: name!, version, files, folders: [folder] };
      continue;
    }
    const [, old, oldName, oldVersion, list] = egg.exec(path) ?? [];
    if (old === undefined) continue;
    const common = { kind: 'python' as const, name: oldName!, version: oldVersion };
    const entries = text.toString('utf8').split('\n').filter(Boolean);
    if (list === 'installed-files') {
      yield { ...common, files: entries.map((each) => inTree(old, each)), folders: [old] };
    } else if (!lists.has(`${old}/installed-files.txt`)) {
      const tops = entries.map((each) => inTree(posix.dirname(old), each));
      yield { ...common, files: tops.map((each) => `${each}.py`), folders: [old, ...tops] };
    }
  }
}

function inTree(folder: string, name: string): string {
  return posix.join('/', folder, name).slice(1);
}

/** The first column of a CSV (RFC 4180): only what has a comma or a quote in it is quoted. */
function recorded(text: Buffer): string[] {
  return text
    .toString('utf8')
    .split(/\r?\n/)
    .flatMap((line) => {
      const quoted = /^"((?:[^"]|"")*)"/.exec(line)?.[1];
      const path = quoted === undefined ? line.split(',', 1)[0]! : quoted.replaceAll('""', '"');
      return path === '' ? [] : [path];
    });
}
