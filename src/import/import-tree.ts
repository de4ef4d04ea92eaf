import { lstat, mkdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { nameFrom } from '../config/infer.ts';
import { Failure, Failures } from '../failure.ts';
import { createFile } from '../files/durable-write.ts';
import { unreadable } from '../files/unreadable.ts';
import type { ForeignProject, ForeignTree, ImportOptions } from './foreign-tree.ts';
import { foreignTrees } from './kinds.ts';
import { configText } from './write-config.ts';

export interface Imported extends ForeignProject {
  kind: string;
  /** imgbuild.yaml. */
  config: string;
}

const configName = 'imgbuild.yaml';

/**
 * Reads a tree that another system builds images by. Throws a Failure when it is none that is known, and Failures when
 * nothing of it could be translated.
 */
export async function importTree(root: string, kind: string | undefined, options: ImportOptions): Promise<Imported> {
  const { tree, found } = await recognise(root, kind);
  const project = await tree.read(root, found, options);
  const [first, ...others] = project.failures;
  if (project.layers.length === 0 && first) throw others.length === 0 ? first : new Failures([first, ...others]);
  const name = nameFrom(basename(resolve(root))) || 'project';
  return { ...project, kind: tree.kind, config: configText(name, tree.title, project) };
}

async function recognise(root: string, kind: string | undefined): Promise<{ tree: ForeignTree; found: string[] }> {
  const doing = `looking for a tree to import in ${root}`;
  const kinds = foreignTrees.map((tree) => tree.kind).join(', ');
  const wanted = foreignTrees.filter((tree) => kind === undefined || tree.kind === kind);
  if (wanted.length === 0) {
    throw new Failure({ doing, because: `there is no kind ${kind}`, fix: `write --kind ${kinds}`, kind: 'input' });
  }
  for (const tree of wanted) {
    const found = await tree.recognise(root).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw unreadable(root, error);
      const because = 'there is no such folder';
      throw new Failure({ doing, because, fix: 'name one that is there', kind: 'input', cause: error });
    });
    if (found.length > 0) return { tree, found };
  }
  const fix = `name the folder that has it; known are ${foreignTrees.map((tree) => `${tree.kind} (${tree.title})`).join(', ')}`;
  throw new Failure({ doing, because: 'there is nothing that another system builds images by', fix, kind: 'input' });
}

/** Writes imgbuild.yaml and what it needs beside it: all of it, or nothing. Throws a Failure where one is there. */
export async function writeImported(root: string, { config, files }: Imported): Promise<string[]> {
  const all = [...files, { path: configName, text: config }];
  for (const { path } of all) if (await lstat(join(root, path)).catch(() => undefined)) throw isThere(path);
  const written: string[] = [];
  const folders: string[] = [];
  try {
    for (const { path, text } of all) {
      const made = await mkdir(dirname(join(root, path)), { recursive: true });
      if (made !== undefined) folders.push(made);
      await createFile(join(root, path), (handle) => handle.writeFile(text));
      written.push(path);
    }
    return written;
  } catch (error) {
    for (const path of written) await rm(join(root, path), { force: true });
    for (const folder of folders) await rmdir(folder).catch(() => undefined);
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw isThere(all[written.length]!.path);
    const fix = 'see that this user may write there and that the disk has room';
    throw new Failure({ doing: `writing ${all[written.length]!.path}`, because: message, fix, cause: error });
  }
}

function isThere(path: string): Failure {
  const fix = 'move it away first: import never writes over something';
  return new Failure({ doing: 'writing what was imported', because: `${path} exists`, fix, kind: 'input' });
}
