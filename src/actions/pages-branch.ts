import { setSecret } from '@actions/core';
import { getExecOutput } from '@actions/exec';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../failure.ts';

export interface PagesBranchRequest {
  /** `https://github.com/acme/app`. */
  repository: string;
  branch: string;
  /** Absolute: where the work tree is made. */
  folder: string;
  token: string;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
}

export interface PagesBranch {
  /**
   * Commits what the work tree has and pushes it. False where it is as it was, `aside` aside: a file, by its path in the
   * work tree, that is worth no commit of its own.
   */
  push(message: string, aside?: string): Promise<boolean>;
}

/**
 * The newest commit of a branch as a work tree of its own, or an empty one where there is no such branch; with `.nojekyll`, or
 * Pages would have Jekyll look at every file, and leave some out.
 */
export async function checkOutPagesBranch(request: PagesBranchRequest): Promise<PagesBranch> {
  const { repository, branch, folder, token, signal } = request;
  if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(branch)) {
    throw failure(branch, `${JSON.stringify(branch)} is no name of a branch`, 'write a name such as gh-pages');
  }
  const env = { ...request.env, ...authorization(repository, token), GIT_TERMINAL_PROMPT: '0' };
  // As a step of a workflow runs programs: without a shell, with its arguments as they are.
  const git = (...args: string[]) => {
    signal.throwIfAborted();
    return getExecOutput('git', args, { cwd: folder, env, silent: true, ignoreReturnCode: true });
  };
  const done = async (...args: string[]): Promise<string> => {
    const { exitCode, stdout, stderr } = await git(...args);
    if (exitCode === 0) return stdout;
    throw failure(branch, `git ${args[0]}: ${stderr.trim()}`, 'see what git says, then run the job again');
  };
  await mkdir(folder);
  const ref = `refs/heads/${branch}`;
  await done('init', '--quiet');
  await done('symbolic-ref', 'HEAD', ref);
  // Both empty and missing say nothing; what cannot be asked throws.
  if ((await done('ls-remote', repository, ref)).trim() !== '') {
    await done('fetch', '--quiet', '--depth=1', repository, ref);
    await done('reset', '--quiet', '--hard', 'FETCH_HEAD');
  }
  await writeFile(path.join(folder, '.nojekyll'), '', { flag: 'a' });
  return {
    async push(message, aside) {
      await done('add', '--all', '.');
      const besides = aside === undefined ? [] : [`:(exclude,literal)${aside}`];
      if ((await done('status', '--porcelain', '--', '.', ...besides)).trim() === '') return false;
      const author = ['-c', `user.name=${bot.name}`, '-c', `user.email=${bot.email}`];
      await done(...author, 'commit', '--quiet', '--no-verify', `--message=${message}`);
      const { exitCode, stderr } = await git('push', '--quiet', repository, `HEAD:${ref}`);
      if (exitCode === 0) return true;
      // Never forced: what another run has published meanwhile stays.
      const fix = 'run the job again; give it the permission `contents: write`, and let it push to the branch';
      throw failure(branch, stderr.trim(), fix);
    },
  };
}

/** GitHub's own account for commits of workflows. */
const bot = { name: 'github-actions[bot]', email: '41898282+github-actions[bot]@users.noreply.github.com' };

/** The token as a header for this server alone, in the environment: arguments are seen by every process. */
function authorization(repository: string, token: string): Record<string, string> {
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64');
  setSecret(basic);
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${repository}.extraheader`,
    GIT_CONFIG_VALUE_0: `AUTHORIZATION: basic ${basic}`,
  };
}

function failure(branch: string, because: string, fix: string): Failure {
  return new Failure({ doing: `publishing on the branch ${branch}`, because, fix });
}
