import * as core from '@actions/core';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

const stateKey = 'hash-cache';

interface Kept {
  /** Relative to the workspace: GitHub's cache knows no other paths that last from job to job. */
  file: string;
  prefix: string;
  /** sha256 of what was restored; empty where there was nothing. */
  restored: string;
}

/**
 * Brings back the hashes of files that git has none for. They hold for the very files that they were taken of (inode and
 * time of change are part of each), so they help where a runner keeps its work tree and `git clean` took them away. On
 * GitHub's own runners each checkout makes new files: nothing is asked for there. Layers are never kept this way.
 */
export async function restoreHashCache(root: string, workspace: string): Promise<void> {
  if (process.env.RUNNER_ENVIRONMENT === 'github-hosted') return;
  const cache = await import('@actions/cache');
  if (!cache.isFeatureAvailable()) return;
  const file = path.posix.join(path.relative(workspace, root), '.imgbuild/cache/hashes');
  const place = createHash('sha256')
    .update(`${process.env.RUNNER_NAME ?? ''} ${file}`)
    .digest('hex');
  const prefix = `imgbuild-hashes-1-${place.slice(0, 16)}-`;
  await quietly('restoring hashes', async () => {
    const key = await cache.restoreCache([file], `${prefix}none`, [prefix]);
    if (key !== undefined) core.info('hashes of unchanged files were restored');
  });
  const kept: Kept = { file, prefix, restored: await digestOf(path.join(workspace, file)) };
  core.saveState(stateKey, JSON.stringify(kept));
}

/** At the end of the job: keeps the hashes if they are others than those that were restored. */
export async function saveHashCache(workspace: string): Promise<void> {
  const state = core.getState(stateKey);
  if (state === '') return;
  const { file, prefix, restored } = JSON.parse(state) as Kept;
  const now = await digestOf(path.join(workspace, file));
  if (now === '' || now === restored) return;
  const cache = await import('@actions/cache');
  await quietly('keeping hashes', async () => {
    await cache.saveCache([file], `${prefix}${now.slice(0, 16)}`);
  });
}

/** A cache that does not answer costs time, never a plan. */
async function quietly(doing: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    core.info(`${doing}: ${(error as Error).message}; going on without`);
  }
}

async function digestOf(file: string): Promise<string> {
  const bytes = await readFile(file).catch(() => undefined);
  return bytes === undefined ? '' : createHash('sha256').update(bytes).digest('hex');
}
