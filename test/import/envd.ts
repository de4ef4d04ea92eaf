import { Failure } from '../../src/failure.ts';
import type { Order } from '../../src/import/envd/order.ts';
import { readEnvd, type EnvdBuild } from '../../src/import/envd/read.ts';
import { NotLocal, type LocalFiles } from '../../src/import/local-files.ts';

/** Files of a tree that is nowhere on the disk. */
export function filesOf(tree: Record<string, string>): LocalFiles {
  return {
    read(path) {
      const text = tree[path];
      if (text === undefined) throw new NotLocal(`there is no file or folder ${path}`, 'make it, or mend the path');
      return text;
    },
    kind(path) {
      if (tree[path] !== undefined) return 'file';
      if (path === '.' || Object.keys(tree).some((name) => name.startsWith(`${path}/`))) return 'folder';
      throw new NotLocal(`there is no file or folder ${path}`, 'make it, or mend the path');
    },
  };
}

export interface Options {
  tree?: Record<string, string>;
  order?: Order;
  images?: Record<string, string>;
  function?: string;
}

export function read(
  text: string,
  { tree = {}, order = 'written', images = {}, function: name = 'build' }: Options = {},
): EnvdBuild {
  return readEnvd({
    file: 'build.envd',
    function: name,
    context: '.',
    order,
    images: new Map(Object.entries(images)),
    files: filesOf({ 'build.envd': text, ...tree }),
    imageOf: (suffix) => (suffix === '' ? 'app' : `app-${suffix}`),
  });
}

/** The body of `def build():`, one line a string. */
export const build = (...lines: string[]) => `def build():\n${lines.map((line) => `    ${line}\n`).join('')}`;

/** Of each layer its suffix and its instructions, without the comments and the mounts of what machines lend. */
export function instructions(made: EnvdBuild): string[] {
  return made.layers.flatMap(({ suffix, dockerfile: { text, origins } }) => {
    const lines = text.split('\n');
    const own = origins.map(({ lines: [first, last] }) =>
      lines
        .slice(first - 1, last)
        .join('\n')
        .replaceAll(/--mount=type=secret\S* \\\n {4}/g, '')
        .replaceAll(/ && rm -rf \/var\/lib\/apt\S.*$/gm, ' && rm …'),
    );
    return [`# ${suffix || 'the last'}`, ...own];
  });
}

/** `LINE:COLUMN: WHAT → FIX`. */
export function refusal(text: string, options?: Options): string {
  try {
    read(text, options);
  } catch (error) {
    if (error instanceof Failure)
      return `${error.at?.file}:${error.at?.line}:${error.at?.column}: ${error.because} → ${error.fix}`;
    throw error;
  }
  return 'fine';
}
