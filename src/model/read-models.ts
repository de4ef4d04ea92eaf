import { createHash } from 'node:crypto';
import { lstat, open, readdir } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import type { Config, Model } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { Failure, Failures } from '../failure.ts';
import { expandGlob, hasWildcard, ownState } from '../files/glob.ts';
import { nearestFile } from '../files/nearest.ts';
import { fileChanged, missingOrThrow, unreadable } from '../files/unreadable.ts';
import type { Progress } from '../progress.ts';

/** A file of a model, as it is in the repository. */
export interface ModelFile {
  /** Relative to the repository's root. */
  path: string;
  /** Bytes. */
  size: number;
  /** 64 hex digits. */
  sha256: string;
}

/** A model with everything that belongs to it, in byte order of the paths. */
export interface ReadModel {
  name: string;
  license?: string;
  format?: string;
  /** Bytes of all files. */
  size: number;
  files: ModelFile[];
}

export interface ReadModelsOptions {
  config: Config;
  /** Names of models; all where absent. */
  only?: readonly string[] | undefined;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * Finds and hashes the files of the models. Throws a Failure with its place in the configuration when a pattern
 * matches nothing or something that is no file. Memory: one buffer, whatever the size of a model.
 */
export async function readModels(options: ReadModelsOptions): Promise<ReadModel[]> {
  const { config } = options;
  const found: { model: Model; paths: string[] }[] = [];
  const failures: Failure[] = [];
  for (const model of chosen(config, options.only)) {
    try {
      found.push({ model, paths: await findFiles(config, model) });
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0]!;
  if (failures.length > 1) throw new Failures(failures);
  const models: ReadModel[] = [];
  for (const { model, paths } of found) {
    const files: ModelFile[] = [];
    for (const path of paths) files.push(await hashFile(config.root, path, options));
    const size = files.reduce((sum, file) => sum + file.size, 0);
    const { name, license, format } = model;
    models.push({
      name,
      ...(license === undefined ? {} : { license }),
      ...(format === undefined ? {} : { format }),
      size,
      files,
    });
  }
  return models;
}

async function findFiles(config: Config, model: Model): Promise<string[]> {
  const paths = new Set<string>();
  for (const [index, pattern] of model.files.entries()) {
    const trouble = (because: string, fix: string) =>
      new Failure({
        doing: `reading ${basename(config.file)}`,
        because: `model ${model.name}: ${because}`,
        fix,
        at: config.locate(['models', model.name, 'files', index]),
        kind: 'input',
      });
    const matches = hasWildcard(pattern) ? (await expandGlob(config.root, pattern)).map(({ path }) => path) : [pattern];
    let count = 0;
    for (const match of matches) {
      for await (const path of filesBelow(config.root, match, trouble)) {
        paths.add(path);
        count++;
      }
    }
    if (count > 0) continue;
    const near = await nearestFile(config.root, pattern);
    const because = hasWildcard(pattern) ? `no file matches ${pattern}` : `there is no file ${pattern}`;
    throw trouble(because, near === undefined ? 'make it, or mend the pattern' : `the nearest is ${near}`);
  }
  return [...paths].toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

async function* filesBelow(
  root: string,
  path: string,
  trouble: (because: string, fix: string) => Failure,
): AsyncGenerator<string> {
  if (ownState.has(path)) return;
  const stats = await lstat(posix.join(root, path)).catch(missingOrThrow(path));
  if (stats === undefined) return;
  if (stats.isFile()) yield path;
  else if (stats.isDirectory()) {
    const names = await readdir(posix.join(root, path)).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    for (const name of names) yield* filesBelow(root, path === '.' ? name : `${path}/${name}`, trouble);
  } else {
    throw trouble(`${path} is ${stats.isSymbolicLink() ? 'a symbolic link' : 'no file'}`, 'name the file itself');
  }
}

async function hashFile(root: string, path: string, options: ReadModelsOptions): Promise<ModelFile> {
  const absolute = posix.join(root, path);
  const before = await lstat(absolute, { bigint: true }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const transfer = options.progress.transfer(`reading ${path}`, Number(before.size));
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(1024 * 1024);
  let size = 0;
  try {
    await using handle = await open(absolute, 'r');
    for (;;) {
      options.signal?.throwIfAborted();
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
      transfer.add(bytesRead);
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    throw unreadable(path, error);
  } finally {
    transfer.end();
  }
  const after = await lstat(absolute, { bigint: true }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  if (BigInt(size) !== before.size || after.mtimeNs !== before.mtimeNs || after.ino !== before.ino) {
    throw fileChanged(path, 'it was written to while it was read');
  }
  return { path, size, sha256: hash.digest('hex') };
}

function chosen(config: Config, only: readonly string[] | undefined): Model[] {
  if (only === undefined) return config.models;
  const known = config.models.map(({ name }) => name);
  const unknown = only.find((name) => !known.includes(name));
  if (unknown === undefined) return config.models.filter(({ name }) => only.includes(name));
  const near = didYouMean(unknown, known);
  throw new Failure({
    doing: `reading the model ${unknown}`,
    because: 'the configuration names no such model',
    fix: near === undefined ? `the models are: ${known.join(', ') || 'none'}` : `did you mean ${near}?`,
    kind: 'input',
  });
}
