import { Failure } from '../failure.ts';
import type { OpenOptions } from '../image-source/open.ts';
import { hostPlatform, parsePlatform, type Platform } from '../oci/platform.ts';
import { openProject } from '../project/open.ts';
import type { CommandContext } from './command.ts';

/** How images are opened that a command line names: releases in the store of the project, which is read only then. */
export function openOptions(context: CommandContext, platform: Platform): OpenOptions {
  return {
    directory: context.directory,
    platform,
    store: async () => (await openProject(context)).store,
    signal: context.signal,
  };
}

/** The value of --platform, this machine's where there is none. Throws a Failure. */
export function platformOf(text: string | undefined): Platform {
  if (text === undefined) return hostPlatform();
  try {
    return parsePlatform(text);
  } catch (error) {
    const fix = 'write OS/ARCH, such as linux/arm64';
    throw new Failure({ doing: 'reading --platform', because: (error as Error).message, fix, kind: 'input' });
  }
}
