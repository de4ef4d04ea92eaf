import { readdir } from 'node:fs/promises';
import { basename, join, posix, resolve } from 'node:path';
import { nameFrom } from '../../config/infer.ts';
import { Failure } from '../../failure.ts';
import type { ForeignLayer, ForeignProject, ForeignTree, ImportOptions } from '../foreign-tree.ts';
import { localFiles } from '../local-files.ts';
import { readEnvd, type EnvdBuild } from './read.ts';

const skipped = new Set(['.git', 'node_modules', '.imgbuild']);

export const envdTree: ForeignTree = {
  kind: 'envd',
  title: 'envd, AIGES',
  recognise: (root) => findBuildFiles(root, '.'),
  async read(root, found, options) {
    const project: ForeignProject = { layers: [], files: [], advice: [], failures: [], direct: [] };
    const names = namesOf(root, found);
    for (const [index, file] of found.entries()) readOne(project, root, file, names[index]!, options);
    const images = [...options.images].map(([name, image]) => `${JSON.stringify(name)}: ${JSON.stringify(image)}`);
    if (images.length > 0) project.direct.unshift(`envd: { images: { ${images.join(', ')} } }`);
    return project;
  },
};

async function findBuildFiles(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = posix.join(folder, entry.name);
    if (entry.isDirectory() && !skipped.has(entry.name)) found.push(...(await findBuildFiles(root, path)));
    else if (entry.isFile() && entry.name === 'build.envd') found.push(path);
  }
  return found;
}

/** By the folder; with more of the path where two would be one. */
function namesOf(root: string, files: readonly string[]): string[] {
  const names: string[] = [];
  for (const file of files) {
    const folder = posix.dirname(file);
    const parts = folder === '.' ? [basename(resolve(root))] : folder.split('/');
    let name = '';
    for (let length = 1; length <= parts.length && (name === '' || names.includes(name)); length++) {
      name = nameFrom(parts.slice(-length).join('-'));
    }
    let unique = name || 'service';
    for (let number = 2; names.includes(unique); number++) unique = `${name || 'service'}-${number}`;
    names.push(unique);
  }
  return names;
}

function readOne(project: ForeignProject, root: string, file: string, name: string, options: ImportOptions): void {
  const context = posix.dirname(file);
  const layerName = (suffix: string) => (suffix === '' ? name : `${name}-${suffix}`);
  let build: EnvdBuild;
  try {
    const { images, order } = options;
    const files = localFiles(root);
    build = readEnvd({ file, function: 'build', context, order, images, files, imageOf: layerName });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    project.failures.push(error);
    return;
  }
  for (const { suffix, dockerfile } of build.layers) {
    const path = posix.join('docker', `${layerName(suffix)}.Dockerfile`);
    const calls = dockerfile.origins.map((origin) => `${origin.at.file}:${origin.at.line} ${origin.name}`);
    const comments = [...new Set(calls)];
    if (suffix === '') {
      comments.push(
        ...build.runOptions.map(({ value, call, span }) => {
          const { file: of, line } = span.source.at(span.start, span.end);
          return `${of}:${line} ${call}: run it with ${value}`;
        }),
      );
    }
    const layer: ForeignLayer = {
      name: layerName(suffix),
      context,
      dockerfile: path,
      image: layerName(suffix),
      others: {},
      comments,
    };
    project.layers.push(layer);
    project.files.push({ path, text: dockerfile.text });
  }
  project.advice.push(...build.notes);
  const order = options.order === 'written' ? '' : `, order: ${options.order}`;
  project.direct.push(...(project.direct.length === 0 ? ['layers:'] : []), `  ${name}: { envd: ${file}${order} }`);
}
