import { findConfig } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/config.ts';
import { analyse } from '../dockerfile/analyse.ts';
import { Failure } from '../failure.ts';
import { openOptions, type Options } from '../kconfig/open.ts';
import { hostPlatform } from '../oci/platform.ts';
import { readChain } from '../plan/chain.ts';
import type { ProjectPlace } from './open.ts';

export interface ProjectOptions {
  config: Config;
  options: Options;
}

/** The options that imgbuild.yaml names. Throws a Failure when it names none. */
export async function openProjectOptions({ directory, file }: ProjectPlace): Promise<ProjectOptions> {
  const config = await loadConfig(file ?? (await findConfig(directory)));
  if (!config.options) {
    throw new Failure({
      doing: 'looking for options',
      because: 'the configuration names no Kconfig',
      fix: 'write, for example, options: { kconfig: Kconfig }',
      at: config.locate(['layers'], 'key'),
      kind: 'input',
    });
  }
  const { kconfig, config: values } = config.options;
  const options = openOptions({ root: config.root, kconfig, config: values }, config.locate(['options']));
  return { config, options };
}

/** By option, the layers whose build reads it: those that declare its ARG and do not set it themselves. */
export async function layersByOption(config: Config): Promise<Map<string, string[]>> {
  const { links } = await readChain(config);
  const found = new Map<string, string[]>();
  for (const { layer, platform, dockerfile, args, options } of links) {
    const target = layer.target === undefined ? {} : { target: layer.target };
    const { declaredArgs } = analyse(dockerfile, {
      ...target,
      args,
      platform,
      buildPlatform: hostPlatform(),
      traitsOf: () => undefined,
    });
    for (const name of declaredArgs) {
      const option = options.get(name);
      if (option === undefined) continue;
      found.set(option, [...new Set([...(found.get(option) ?? []), layer.name])]);
    }
  }
  return found;
}
