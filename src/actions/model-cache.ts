import * as core from '@actions/core';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { FileKeeper } from '../fetch/blob-cache.ts';
import type { ActionContext } from './action.ts';

/** GitHub's cache of a repository has 10 GB: one file is not to push out everything else. */
const largest = 4_000_000_000;

export interface ModelCache extends FileKeeper {
  /** Keeps what was fetched. Never throws. */
  save(): Promise<void>;
}

/**
 * What was fetched for models, in GitHub's cache: a runner that GitHub hosts has nothing of its own. Undefined where there is
 * no such cache, where the machine keeps it by itself, and for what somebody else may have changed: what a pull request of a
 * fork or one that runs with the rights of the repository keeps would be found by others. `readOnly`: nothing is kept.
 */
export function openModelCache(
  { progress }: Pick<ActionContext, 'progress'>,
  { readOnly }: { readOnly: boolean },
): ModelCache | undefined {
  if (process.env.RUNNER_ENVIRONMENT === 'self-hosted' || isForeign(process.env)) return undefined;
  const fetched = new Map<string, string>();
  return {
    async restore(key, path, name) {
      const restored = await quietly(`looking for ${name}`, async () => {
        const cache = await import('@actions/cache');
        return cache.isFeatureAvailable() && (await cache.restoreCache([path], keyOf(key))) !== undefined;
      });
      if (restored === true) progress.note(`${name}: from GitHub's cache`);
      return restored === true;
    },
    fetched: (key, path) => void fetched.set(key, path),
    async save() {
      if (readOnly) return;
      // One after the other: each is packed by programs of its own, which take all cores.
      for (const [key, path] of fetched) {
        await quietly(`keeping ${path}`, async () => {
          const cache = await import('@actions/cache');
          if (!cache.isFeatureAvailable() || (await stat(path)).size > largest) return;
          await cache.saveCache([path], keyOf(key));
        });
      }
      fetched.clear();
    },
  };
}

function keyOf(key: string): string {
  return `imgbuild-model-1-${key}`;
}

/** Whether a run is of a pull request from another repository, or may be. */
function isForeign({ GITHUB_EVENT_NAME: event, GITHUB_EVENT_PATH: file }: NodeJS.ProcessEnv): boolean {
  if (event === 'pull_request_target') return true;
  if (event !== 'pull_request') return false;
  try {
    const { pull_request: request, repository } = JSON.parse(readFileSync(file!, 'utf8')) as {
      pull_request?: { head?: { repo?: { full_name?: string } | null } };
      repository?: { full_name?: string };
    };
    const head = request?.head?.repo?.full_name;
    return head === undefined || head !== repository?.full_name;
  } catch {
    return true;
  }
}

/** A cache that does not answer costs time, never a package. */
async function quietly<T>(doing: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    core.info(`${doing}: ${(error as Error).message}; going on without`);
    return undefined;
  }
}
