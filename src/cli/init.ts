import { glob, lstat, readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join, posix, relative } from 'node:path';
import { inferLayers, nameFrom, writeConfig, type FoundDockerfile, type InferredLayer } from '../config/infer.ts';
import { configFileName } from '../config/find.ts';
import { analyse } from '../dockerfile/analyse.ts';
import { parseDockerfile } from '../dockerfile/parse.ts';
import { Failure } from '../failure.ts';
import { createFile } from '../files/durable-write.ts';
import { unreadable } from '../files/unreadable.ts';
import { hostPlatform } from '../oci/platform.ts';
import type { AddCommand } from './command.ts';

const skipped = new Set(['.git', 'node_modules', '.imgbuild']);

export const addInit: AddCommand = (program, contextOf) => {
  program
    .command('init')
    .description('write imgbuild.yaml from the Dockerfiles found here')
    .option('--json', 'print what was found as one JSON document')
    .action(async (_options, command) => {
      const context = contextOf(command);
      const file = context.file ?? join(context.directory, configFileName);
      const layers = await initialise(file);
      if (context.json) {
        context.stdout.write(`${JSON.stringify({ schema: 1, file, layers })}\n`);
        return;
      }
      context.stdout.write(`${relative(context.directory, file)} written\n`);
      for (const { name, image, parents } of layers) {
        context.stdout.write(`  ${name}: ${image}${parents.length === 0 ? '' : `, on ${parents.join(', ')}`}\n`);
      }
      for (const { name, trouble } of layers) if (trouble !== undefined) context.progress.warn(`${name}: ${trouble}`);
      context.progress.note('look it over, then: imgbuild lock, imgbuild plan');
    });
};

/** Throws a Failure when the file is there already, or no Dockerfile is. */
export async function initialise(file: string): Promise<InferredLayer[]> {
  const exists = () =>
    new Failure({
      doing: 'writing a first configuration',
      because: `${file} exists`,
      fix: 'edit it, or move it away first: init never overwrites',
      kind: 'input',
    });
  if (await lstat(file).catch(() => undefined)) throw exists();
  const root = dirname(file);
  const paths = await findDockerfiles(root);
  if (paths.length === 0) {
    throw new Failure({
      doing: 'writing a first configuration',
      because: `there is no Dockerfile in ${root} or below`,
      fix: 'write one first (Dockerfile, NAME.Dockerfile or Dockerfile.NAME), or name another folder with -C',
      kind: 'input',
    });
  }
  const found: FoundDockerfile[] = [];
  for (const path of paths) found.push(await read(root, path));
  const project = nameFrom(basename(root)) || 'project';
  const layers = inferLayers(found, project);
  try {
    await createFile(file, (handle) => handle.writeFile(writeConfig(project, layers)));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists();
    const fix = 'see that this user may write there and that the disk has room';
    throw new Failure({ doing: `writing ${file}`, because: message, fix, cause: error });
  }
  return layers;
}

async function findDockerfiles(root: string, folder = '.'): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const gone = error.code === 'ENOENT' || error.code === 'ENOTDIR';
    throw folder === '.' && gone ? noFolder(root, error) : unreadable(join(root, folder), error);
  });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) found.push(...(await findDockerfiles(root, path)));
    } else if (entry.isFile() && /^Dockerfile(\..+)?$|.\.dockerfile$/i.test(entry.name)) {
      if (!/\.dockerignore$/i.test(entry.name)) found.push(path);
    }
  }
  return found;
}

function noFolder(root: string, cause: unknown): Failure {
  const fix = 'make it, or name a file in one that is there with -f';
  return new Failure({
    doing: 'looking for Dockerfiles',
    because: `there is no folder ${root}`,
    fix,
    kind: 'input',
    cause,
  });
}

async function read(root: string, path: string): Promise<FoundDockerfile> {
  const own = posix.dirname(path);
  try {
    const platform = hostPlatform();
    const options = { args: {}, platform, buildPlatform: platform, traitsOf: () => undefined };
    const text = await readFile(join(root, path), 'utf8').catch((error: unknown) => {
      throw unreadable(path, error);
    });
    const analysis = analyse(parseDockerfile(text, path), options);
    const sources = analysis.files.flatMap(({ patterns }) => patterns);
    const images = [...new Set(analysis.images.map(({ reference }) => reference))];
    return { path, context: await contextFor(root, own, sources), images };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const { because, at } = error;
    return { path, context: own, images: [], trouble: `${path}${at ? `:${at.line}` : ''}: ${because}` };
  }
}

/** The nearest folder, from the Dockerfile's own upwards, that has all its sources; its own where none has. */
async function contextFor(root: string, own: string, sources: readonly string[]): Promise<string> {
  for (let folder = own; ; folder = posix.dirname(folder)) {
    if (await hasAll(join(root, folder), sources)) return folder;
    if (folder === '.') return own;
  }
}

async function hasAll(folder: string, sources: readonly string[]): Promise<boolean> {
  for (const source of sources) {
    if (source === '.' || source === '') continue;
    const literal = await lstat(join(folder, source)).catch(() => undefined);
    if (literal) continue;
    if (!/[*?[]/.test(source)) return false;
    const first = await glob(source, { cwd: folder }).next();
    if (first.done) return false;
  }
  return true;
}
