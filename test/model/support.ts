import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../src/config/config.ts';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { assembleModel, type ModelFile } from '../../src/model/assemble.ts';
import { surveyModels } from '../../src/model/survey.ts';
import { silent, type Progress } from '../../src/progress.ts';
import { makeProject } from '../deb/support/project.ts';

export const temporary = (name: string) => mkdtempSync(join(tmpdir(), `imgbuild-${name}-`));

export const newCache = () => new BlobCache(temporary('cache'));

/** A repository with those files and models. */
export const withModels = (models: object, files: Record<string, string | Buffer> = {}): Config =>
  makeProject({}, files, { models });

export const survey = (config: Config, cache = newCache(), only?: string[]) =>
  surveyModels({ config, cache, only, progress: silent });

/** The one model of a configuration, fetched and converted. */
export async function assemble(
  config: Config,
  cache: BlobCache,
  more: { progress?: Progress; signal?: AbortSignal; env?: NodeJS.ProcessEnv } = {},
): Promise<ModelFile[]> {
  const { progress = silent, env = process.env, signal } = more;
  const [surveyed] = await surveyModels({ config, cache, progress, signal });
  return assembleModel(surveyed!, { config, cache, env, progress, signal });
}
