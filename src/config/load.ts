import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { Failure, Failures } from '../failure.ts';
import { checkConfig, type Checked, type LoadOptions } from './check.ts';
import type { Config } from './config.ts';
import type { Include } from './include.ts';
import { missingFiles } from './missing-files.ts';
import type { OptionPaths } from './options.ts';
import { unknownLayers } from './unknown-layers.ts';

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
  const wrong = [...failures, ...missing];
  const name = basename(path);
  let whole = config;
  /** Takes what was read of other files. */
  const take = (found: { config: Config; failures: Failure[] }) => {
    wrong.push(...found.failures);
    whole = found.config;
  };
  const sound = config !== undefined && wrong.length === 0;
  if (config && optionPaths) take(await readOptions(config, optionPaths, name));
  // Other descriptions are read when all else is well: a folder that is missing would be told twice.
  if (sound && envd) take(await readBuildFiles(whole!, envd, name));
  if (sound && include) take(await readIncluded(whole!, include, name, optionPaths !== undefined));
  if (wrong.length === 0 && (envd || include)) wrong.push(...unknownLayers(config!, whole!.layers, name));
  if (wrong.length > 0) throw new Failures(wrong.toSorted(byPlace));
  return whole!;
}

function byPlace({ at: a }: Failure, { at: b }: Failure): number {
  return (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0);
}

/** Most configurations have no options: their code is loaded for those that have. */
async function readOptions(config: Config, paths: OptionPaths, file: string) {
  const { resolveOptions } = await import('./resolve-options.ts');
  const { options, failures } = resolveOptions(config, paths, file);
  return { config: options ? { ...config, options } : config, failures };
}

async function readBuildFiles(config: Config, { sources, images }: Checked['envd'] & {}, file: string) {
  const { resolveEnvd } = await import('./resolve-envd.ts');
  return resolveEnvd(config, sources, images, file);
}

async function readIncluded(config: Config, include: Include, file: string, ownOptions: boolean) {
  const { resolveIncluded } = await import('./resolve-include.ts');
  return resolveIncluded(config, include, file, ownOptions);
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
