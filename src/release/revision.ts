import { run } from '../process/run.ts';

/** The commit that is checked out, with `-dirty` where tracked files differ from it; null without git. */
export async function findRevision(root: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  const git = async (...args: string[]) => {
    const result = await run('git', ['-C', root, ...args]).catch(() => undefined);
    return result?.exitCode === 0 ? result.stdout.toString('utf8').trim() : undefined;
  };
  const head = await git('rev-parse', '--verify', '--quiet', 'HEAD');
  if (head === undefined) return env.GITHUB_SHA || null;
  const changed = await git('status', '--porcelain', '--untracked-files=no', '--ignore-submodules=none', '--', '.');
  return changed ? `${head}-dirty` : head;
}
