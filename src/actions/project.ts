import type { Config } from '../config/config.ts';
import { makeStateFolder } from '../context/state-folder.ts';
import { parsePlatform, samePlatform, type PlatformName } from '../oci/platform.ts';
import { openProject, type Project } from '../project/open.ts';
import { openStore } from '../store/open.ts';
import type { ActionContext } from './action.ts';

export interface ActionProjectOptions {
  /** The registry is only read: what is saved goes to .imgbuild/store on the runner. */
  readOnly?: boolean;
  /** The one platform that this runner works for. */
  platform?: PlatformName | undefined;
}

/** The project that an action works on, narrowed to what this runner may do. */
export async function openActionProject(context: ActionContext, options: ActionProjectOptions): Promise<Project> {
  const project = await openProject(context);
  const config = options.platform === undefined ? project.config : onPlatform(project.config, options.platform);
  if (options.readOnly !== true || config.store.kind === 'folder') return { ...project, config };
  const overlay = await makeStateFolder(config.root, 'store');
  return {
    ...project,
    config,
    store: await openStore(config.store, { overlay, registry: { signal: context.signal } }),
  };
}

/** The same configuration as if it named this platform alone; layers that are not built for it are not in it. */
function onPlatform(config: Config, name: PlatformName): Config {
  const wanted = parsePlatform(name);
  const layers = config.layers.flatMap((layer) => {
    const platforms = layer.platforms.filter((platform) => samePlatform(platform, wanted));
    return platforms.length === 0 ? [] : [{ ...layer, platforms }];
  });
  return { ...config, platforms: [wanted], layers };
}
