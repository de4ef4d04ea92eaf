import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, posix, sep } from 'node:path';
import type { Failure } from '../failure.ts';
import { didYouMean } from './did-you-mean.ts';
import { wrongAt } from './issues.ts';
import type { LayerSketch } from './sketch.ts';
import type { DataPath, YamlSource } from './yaml-source.ts';

type Wanted = 'folder' | 'file' | 'file or folder';

/** What the layers name and the repository has not, or has outside of itself through a link. */
export async function missingFiles(layers: LayerSketch[], source: YamlSource, configFile: string): Promise<Failure[]> {
  const directory = dirname(configFile);
  const root = await realpath(directory);
  const file = basename(configFile);
  const failures: Failure[] = [];
  const check = async (path: string, at: DataPath, wanted: Wanted) => {
    const problem = await problemWith(path, directory, root, wanted);
    if (problem) failures.push(wrongAt(file, source.locate(at), problem.because, problem.fix));
    return problem === undefined;
  };
  for (const { name, context, dockerfile, envd, copies } of layers) {
    const at = ['layers', name];
    const there = context !== undefined && (await check(context, [...at, 'context'], 'folder'));
    if (envd) await check(envd.file, [...at, 'envd'], 'file');
    else if (dockerfile !== undefined) await check(dockerfile, [...at, 'dockerfile'], 'file');
    else if (there) await check(posix.join(context, 'Dockerfile'), [...at, 'context'], 'file');
    for (const [index, src] of copies.entries()) {
      if (src !== undefined) await check(src, [...at, 'copy', index, 'src'], 'file or folder');
    }
  }
  return failures;
}

async function problemWith(path: string, directory: string, root: string, wanted: Wanted) {
  try {
    const real = await realpath(join(directory, path));
    if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep)) {
      const because = `${path} is a link that leaves the repository's root`;
      return { because, fix: 'put what is needed into the repository' };
    }
    const found = await stat(real);
    if (wanted === 'folder' && !found.isDirectory()) {
      return { because: `${path} is no folder`, fix: `write the folder: ${posix.dirname(path)}` };
    }
    if (wanted === 'file' && !found.isFile()) {
      return { because: `${path} is no file`, fix: `write ${posix.join(path, 'Dockerfile')}` };
    }
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') {
      return { because: `${path} cannot be read: ${message}`, fix: 'see that this user may read it' };
    }
    const folder = posix.dirname(path);
    const siblings: string[] = await readdir(join(directory, folder)).catch(() => []);
    const near = didYouMean(posix.basename(path), siblings);
    const because = `there is no ${wanted} ${path}`;
    if (near !== undefined) return { because, fix: `did you mean ${posix.join(folder, near)}?` };
    return { because, fix: `make it, or write the path of the ${wanted}` };
  }
}
