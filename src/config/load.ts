import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Failure, Failures } from '../failure.ts';
import { checkConfig, type Checked, type LoadOptions } from './check.ts';
import type { Config } from './config.ts';
import type { Include } from './include.ts';
import { missingFiles } from './missing-files.ts';
import type { OptionPaths } from './options.ts';

/**
 * Reads and checks imgbuild.yaml, and that the files it names exist. Throws Failures with all that is wrong in it,
 * or one Failure when the file cannot be read. `text` takes the place of the file's.
 */
export async function loadConfig(
  file: string,
  { text, ...options }: LoadOptions & { text?: string | undefined } = {},
): Promise<Config> {
  const path = resolve(file);
  const { config, optionPaths, envd, include, failures, sketches, source } = checkConfig(
    text ?? (await readText(path)),
    path,
    options,
  );
  const missing = await missingFiles(sketches, source, path);
  const found = config && optionPaths ? await readOptions(config, optionPaths) : undefined;
  // A build file is read when all else is well: a folder that is missing would be told twice.
  const made =
    config && envd && failures.length + missing.length === 0 ? await readBuildFiles(config, envd) : undefined;
  const included =
    config && include && failures.length + missing.length === 0
      ? await readIncluded(made?.config ?? config, include)
      : undefined;
  const all = [
    ...failures,
    ...missing,
    ...(found?.failures ?? []),
    ...(made?.failures ?? []),
    ...(included?.failures ?? []),
  ].toSorted((a, b) => (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0));
  if (all.length > 0) throw new Failures(all);
  const whole = included?.config ?? made?.config ?? (config as Config);
  return { ...whole, ...(found?.options ? { options: found.options } : {}) };
}

/** Most configurations have no options: their code is loaded for those that have. */
async function readOptions(config: Config, paths: OptionPaths) {
  const { resolveOptions } = await import('./resolve-options.ts');
  return resolveOptions(config, paths, basename(config.file));
}

async function readBuildFiles(config: Config, { sources, images }: Checked['envd'] & {}) {
  const { resolveEnvd } = await import('./resolve-envd.ts');
  return resolveEnvd(config, sources, images, basename(config.file));
}

async function readIncluded(config: Config, include: Include) {
  const { resolveIncluded } = await import('./resolve-include.ts');
  return resolveIncluded(config, include, basename(config.file));
}

async function readText(file: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Failure({
      doing: `reading ${file}`,
      because: missing
        ? 'there is no such file'
        : error instanceof TypeError
          ? 'it is not UTF-8'
          : (error as Error).message,
      fix: missing
        ? '`imgbuild init` writes one from the Dockerfiles it finds'
        : 'save it as a UTF-8 text that can be read',
      kind: 'input',
      cause: error,
    });
  }
}
