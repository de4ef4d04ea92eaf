import { realpath } from 'node:fs/promises';
import { basename, posix, resolve } from 'node:path';
import type { ArtifactInput } from '../artifact/input.ts';
import type { Config, Model, ModelSource } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { Failure, Failures, type SourceLocation } from '../failure.ts';
import { missingOrThrow } from '../files/unreadable.ts';
import type { BlobCache } from '../fetch/blob-cache.ts';
import { formatReference } from '../oci/reference.ts';
import type { Progress } from '../progress.ts';
import { findFiles } from './find-files.ts';
import { modelArtifact } from './model-pack.ts';

/** A file on this machine that belongs to a model, read and summed up. */
export interface LocalFile {
  /** Its place in the model. */
  to: string;
  /** As messages call it: relative to the repository's root, or as written. */
  path: string;
  /** Absolute. */
  file: string;
  /** In bytes. */
  size: number;
  sha256: string;
}

/** A model with all that decides its bytes, and nothing fetched or converted yet. */
export interface SurveyedModel {
  model: Model;
  /** From the repository, and from `path:` sources. */
  local: LocalFile[];
  /** What has to be fetched. */
  remote: Exclude<ModelSource, { from: 'path' }>[];
  /** What the conversion reads besides. */
  tools: LocalFile[];
  /** All that decides the artifact. */
  inputs: ArtifactInput[];
  /** Those of them that decide the files: not the metadata. */
  contents: ArtifactInput[];
}

export interface SurveyOptions {
  config: Config;
  /** Names of models; all where absent. */
  only?: readonly string[] | undefined;
  cache: BlobCache;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/** Changes where the same inputs would make other artifacts. */
const packing = '1';

/**
 * Finds the files of the models and sums up those that are on this machine. Nothing is fetched: a source counts by the sum
 * that is declared. Throws Failures, each with its place in the configuration, for patterns that match nothing, places
 * that two files want, and local sources that have another sum.
 */
export async function surveyModels(options: SurveyOptions): Promise<SurveyedModel[]> {
  const surveyed: SurveyedModel[] = [];
  const failures: Failure[] = [];
  for (const model of chosen(options.config, options.only)) {
    try {
      surveyed.push(await survey(model, options));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      failures.push(error);
    }
  }
  await options.cache.save();
  if (failures.length === 1) throw failures[0]!;
  if (failures.length > 1) throw new Failures(failures);
  return surveyed;
}

async function survey(model: Model, options: SurveyOptions): Promise<SurveyedModel> {
  const { config } = options;
  const found = await findFiles(config, model.name, ['files'], model.files);
  const local: LocalFile[] = [];
  for (const { path, to } of found) local.push(await summed(path, to, posix.join(config.root, path), options));
  const remote: SurveyedModel['remote'] = [];
  const taken = new Map(local.map(({ to, path }) => [to, path]));
  for (const [index, source] of model.sources.entries()) {
    if (source.from === 'oci') {
      remote.push(source);
      continue;
    }
    const other = taken.get(source.as);
    if (other !== undefined) {
      throw new Failure({
        doing: `reading ${basename(config.file)}`,
        because: `model ${model.name}: ${other} and this source both become ${source.as}`,
        fix: 'write as: NAME for another place in the model',
        at: locateSource(config, model, index),
        kind: 'input',
      });
    }
    taken.set(source.as, textOf(source));
    if (source.from === 'path') local.push(await checkedPath(model, source, index, options));
    else remote.push(source);
  }
  const tools: LocalFile[] = [];
  for (const { path, to } of await findFiles(config, model.name, ['convert', 'inputs'], model.convert?.inputs ?? [])) {
    // It runs in a folder that has them where the repository has them.
    tools.push({ ...(await summed(path, to, posix.join(config.root, path), options)), to: path });
  }
  const contents = contentsOf(model, local, tools);
  return { model, local, remote, tools, contents, inputs: [...metadataOf(model), ...contents] };
}

async function summed(path: string, to: string, file: string, options: SurveyOptions): Promise<LocalFile> {
  const hashes = options.cache.hashes();
  return { to, path, file, ...(await hashes.of(file, path, options.progress, options.signal)) };
}

async function checkedPath(
  model: Model,
  source: Extract<ModelSource, { from: 'path' }>,
  index: number,
  options: SurveyOptions,
): Promise<LocalFile> {
  const { config } = options;
  let found: LocalFile;
  try {
    const written = resolve(config.root, source.path);
    const file = await realpath(written).catch((error: unknown) => {
      throw missingOrThrow(source.path)(error) ?? noSuchFile(source.path);
    });
    found = await summed(source.path, source.as, file, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
    const { doing, because, fix = 'write where the file is now' } = error;
    const at = locateSource(config, model, index, 'path');
    throw new Failure({ doing, because, fix, at, kind: 'input', cause: error });
  }
  if (found.sha256 === source.sha256) return found;
  throw otherSum(config, model, index, found.sha256, found.size, false);
}

function noSuchFile(path: string): Failure {
  return new Failure({ doing: `reading ${path}`, because: 'there is no such file' });
}

/** A source whose bytes are not those that are declared. `held`: those are here, from another source. */
export function otherSum(
  config: Config,
  model: Model,
  index: number,
  found: string,
  size: number,
  held: boolean,
): Failure {
  const source = model.sources[index]!;
  const changed = held ? 'the source was changed and its checksum was not: ' : '';
  return new Failure({
    doing: `fetching ${textOf(source)} for model ${model.name}`,
    because: `${changed}it has ${size} bytes with the sha256 ${found}, and ${source.sha256} is declared`,
    fix: `if that is the file that you want, write sha256: ${found}; if not, find out who changed it`,
    at: locateSource(config, model, index, 'sha256'),
    kind: 'input',
  });
}

export function textOf(source: ModelSource): string {
  if (source.from === 'url') return source.url;
  return source.from === 'path' ? source.path : source.text;
}

/** A source is written as a map or as an item of a list: the deeper place is the right one. */
export function locateSource(config: Config, model: Model, index: number, ...key: string[]): SourceLocation {
  const start = ['models', model.name, 'source'];
  const [map, list] = [config.locate([...start, ...key]), config.locate([...start, index, ...key])];
  return map.line > list.line || (map.line === list.line && map.column > list.column) ? map : list;
}

function field(name: string, value: string | undefined): ArtifactInput[] {
  return value === undefined ? [] : [{ kind: 'field', name, value }];
}

function metadataOf({ name, license, format }: Model): ArtifactInput[] {
  return [
    { kind: 'artifact', type: modelArtifact },
    ...field('name', name),
    ...field('license', license),
    ...field('format', format),
  ];
}

function contentsOf(model: Model, local: readonly LocalFile[], tools: readonly LocalFile[]): ArtifactInput[] {
  const { sources, convert } = model;
  const declared = new Set(sources.flatMap((source) => (source.from === 'oci' ? [] : [source.as])));
  return [
    { kind: 'tool', name: 'imgbuild models', version: packing },
    ...local
      .filter(({ to }) => !declared.has(to))
      .map(({ path, to, sha256 }): ArtifactInput => ({ kind: 'file', path, to, sha256 })),
    ...sources.map((source): ArtifactInput => {
      const { sha256 } = source;
      if (source.from !== 'oci') return { kind: 'source', path: source.as, from: textOf(source), sha256 };
      const { digest: _, ...reference } = source.reference;
      const name = formatReference(reference);
      return { kind: 'source', path: name, from: name, sha256 };
    }),
    ...(convert === undefined ? [] : [{ kind: 'command', argv: convert.command } as const]),
    ...field('outputs', convert && JSON.stringify(convert.outputs.toSorted())),
    ...field('convert.version', convert?.version),
    ...tools.map(({ path, sha256 }): ArtifactInput => ({ kind: 'file', path, to: `convert: ${path}`, sha256 })),
  ];
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
