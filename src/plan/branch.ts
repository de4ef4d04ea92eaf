import { run } from '../process/run.ts';

/** The branches whose last images reasons compare with; `current` first. Explanation only, never reuse. */
export interface Branches {
  current: string;
  fallback: string;
}

async function git(root: string, args: string[]): Promise<string | undefined> {
  try {
    const { exitCode, stdout } = await run('git', ['-C', root, ...args]);
    const text = stdout.toString('utf8').trim();
    return exitCode === 0 && text !== '' ? text : undefined;
  } catch {
    return undefined; // No git: a folder without history has one branch.
  }
}

/**
 * From the environment of a workflow where there is one, else from git. A tag's build compares with the default
 * branch, since a tag has no line of its own.
 */
export async function findBranches(root: string, env: NodeJS.ProcessEnv): Promise<Branches> {
  const remoteHead = await git(root, ['symbolic-ref', '--quiet', '--short', 'refs/remotes/origin/HEAD']);
  const fallback = env.IMGBUILD_DEFAULT_BRANCH || remoteHead?.replace(/^origin\//, '') || 'main';
  if (env.GITHUB_ACTIONS === 'true') {
    const named = env.GITHUB_HEAD_REF || (env.GITHUB_REF_TYPE === 'branch' ? env.GITHUB_REF_NAME : undefined);
    return { current: named || fallback, fallback };
  }
  const current = await git(root, ['symbolic-ref', '--quiet', '--short', 'HEAD']);
  return { current: current ?? fallback, fallback };
}
