import { run } from '../process/run.ts';

/** Settings that would let git answer from less than the files' full stat data, or start a program of the user's. */
const settings = {
  'core.checkStat': 'default',
  'core.trustctime': 'true',
  'core.fileMode': 'true',
  'core.symlinks': 'true',
  'core.ignoreStat': 'false',
  'core.fsmonitor': 'false',
  'core.quotePath': 'false',
  // Without its filter an LFS file differs from its blob, and is read: what counts is the bytes on the disk.
  'filter.lfs.clean': '',
  'filter.lfs.process': '',
  'filter.lfs.required': 'false',
};

const configuration = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

/** A hook's GIT_DIR, GIT_INDEX_FILE and the like would answer for another index than that of the tree that is read. */
function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('GIT_') || name.startsWith('GIT_CONFIG_') || name === 'GIT_CEILING_DIRECTORIES',
  );
  return {
    ...Object.fromEntries(own),
    LC_ALL: 'C',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
  };
}

/**
 * Standard output of git in `root`, or undefined when it exits with another code than 0: there is no repository, or
 * git refuses it. It takes no lock, starts no filter and reaches no network.
 */
export async function git(
  root: string,
  args: readonly string[],
  options: { input?: Uint8Array; signal?: AbortSignal; userSettings?: boolean } = {},
): Promise<Buffer | undefined> {
  const { exitCode, stdout } = await run('git', [...(options.userSettings ? [] : configuration), ...args], {
    cwd: root,
    env: environment(),
    input: options.input,
    signal: options.signal,
  });
  return exitCode === 0 ? stdout : undefined;
}
