import type { Config, ModelSource } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { BlobCache } from '../fetch/blob-cache.ts';
import { downloadFile } from '../fetch/download.ts';
import { inParallel, limiter, type Limiter } from '../fetch/in-parallel.ts';
import { hexOf } from '../oci/digest.ts';
import type { Progress } from '../progress.ts';
import { registryClient, type Registries } from '../registry/registries.ts';
import { convertModel, type StagedFile } from './convert.ts';
import { fetchArtifactFile, listArtifact } from './fetch-oci.ts';
import type { PackedFile } from './model-pack.ts';
import { locateSource, otherSum, type SurveyedModel } from './survey.ts';

/** A file of a model, where it lies. */
export interface ModelFile extends PackedFile {
  /** Absolute; undefined for what was not fetched, since the store has it. */
  file: string | undefined;
  /** Whether it lies in the cache, where nobody writes to it. */
  cached: boolean;
}

export interface AssembleOptions {
  config: Config;
  cache: BlobCache;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
  /** The size of a file that need not be fetched, by its sum. */
  held?: (sha256: string) => number | undefined;
  registries?: Registries;
  turns?: Turns;
}

/** What several models share while they are assembled side by side. */
export interface Turns {
  fetch: Limiter;
  convert: Limiter;
}

/** Four sources at once: more share the same line. One conversion: it may want all of the machine. */
export function newTurns(): Turns {
  return { fetch: limiter(4), convert: limiter(1) };
}

/** Fetches and converts what a model needs. In byte order of the places. */
export async function assembleModel(surveyed: SurveyedModel, options: AssembleOptions): Promise<ModelFile[]> {
  const { model } = surveyed;
  const { held, turns = newTurns() } = options;
  const local = surveyed.local.map(({ to, size, sha256, file }): ModelFile => ({
    path: to,
    size,
    sha256,
    file,
    cached: false,
  }));
  const skip = model.convert === undefined ? held : undefined;
  const { remote } = surveyed;
  const parts = await inParallel(remote, remote.length, options.signal, (source, signal) =>
    fetchSource(source, surveyed, { ...options, signal, turns }, skip),
  );
  const files = [...local, ...parts.flat()].toSorted((a, b) =>
    Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)),
  );
  refuseTwice(files, surveyed, options.config);
  const { convert } = model;
  if (convert === undefined) return files;
  const { cache, env, progress, signal } = options;
  const sources = files.map((file): StagedFile => ({ ...file, to: file.path, file: file.file! }));
  const tools = surveyed.tools.map(({ to, file, sha256 }) => ({ to, file, sha256, cached: false }));
  const converted = await turns.convert(() =>
    convertModel({ model: { ...model, convert }, sources, tools, cache, env, progress, signal }),
  );
  return converted.map(({ to, size, sha256, file }) => ({ path: to, size, sha256, file, cached: true }));
}

async function fetchSource(
  source: Exclude<ModelSource, { from: 'path' }>,
  surveyed: SurveyedModel,
  options: AssembleOptions & { turns: Turns },
  held: AssembleOptions['held'],
): Promise<ModelFile[]> {
  const { config, cache, progress, signal, turns } = options;
  const { model } = surveyed;
  const index = model.sources.indexOf(source);
  if (source.from === 'url') {
    const known = held?.(source.sha256);
    if (known !== undefined) {
      return [{ path: source.as, size: known, sha256: source.sha256, file: undefined, cached: true }];
    }
    const name = `${model.name}: ${source.as}`;
    const { url, sha256 } = source;
    const fill = (partial: string, here: boolean) => {
      const wrongSum = (found: string, size: number) => otherSum(config, model, index, found, size, here);
      return downloadFile({ url, sha256, partial, name, progress, signal, wrongSum });
    };
    const cached = await turns.fetch(async () => {
      signal?.throwIfAborted();
      return cache.obtain({ sha256, source: url, name, progress, signal, fill });
    });
    return [{ path: source.as, ...cached, cached: true }];
  }
  const registries = options.registries ?? registryClient(signal === undefined ? {} : { signal });
  const moved = (found: string, size: number) =>
    new Failure({
      doing: `fetching ${source.text} for model ${model.name}`,
      because: `its tag stands on ${found} (${size} bytes), and sha256:${source.sha256} is declared`,
      fix: `if that is the one that you want, write ${found}; if not, write the reference with its digest and no tag`,
      at: locateSource(config, model, index, 'oci'),
      kind: 'input',
    });
  const listed = await listArtifact(registries, source, moved, signal);
  return inParallel(listed, listed.length, signal, async (file, stop) => {
    const sha256 = hexOf(file.blob.digest);
    if (held?.(sha256) !== undefined) {
      return { path: file.to, size: file.blob.size, sha256, file: undefined, cached: true };
    }
    const cached = await turns.fetch(async () => {
      stop.throwIfAborted();
      return fetchArtifactFile(registries, file, cache, { progress, signal: stop });
    });
    return { path: file.to, ...cached, cached: true };
  });
}

/** Files of two artifacts, or of one and of the repository, that want the same place. */
function refuseTwice(files: readonly ModelFile[], { model }: SurveyedModel, config: Config): void {
  const twice = files.find(({ path }, index) => files[index - 1]?.path === path);
  if (twice === undefined) return;
  throw new Failure({
    doing: `putting model ${model.name} together`,
    because: `two files want to be ${twice.path} in it`,
    fix: 'take one of the two sources, or give one file another place with as:',
    at: config.locate(['models', model.name], 'key'),
    kind: 'input',
  });
}
