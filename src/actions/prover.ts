import { chmod } from 'node:fs/promises';
import path from 'node:path';
import { deviceProver } from '../delta/device-prover.ts';
import type { DeviceArchitecture, DeviceRelease } from '../delta/device-release.ts';
import { deviceRelease } from '../delta/device-sums.ts';
import { ownProver, type Prover } from '../delta/prove.ts';
import { Failure } from '../failure.ts';
import { downloadFile } from '../fetch/download.ts';
import { run } from '../process/run.ts';
import type { ActionContext } from './action.ts';

/** Few and short: a bundle can be proven without it. Milliseconds. */
const retry = { attempts: 3, first: 500, longest: 2000, patience: 5000 };
const http = { headersTimeout: 15_000, bodyTimeout: 15_000 };

const architectures: Partial<Record<NodeJS.Architecture, DeviceArchitecture>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * What applies bundles before they get their names: the device program, as the release of this very action has it, with the
 * sum that the action knows; else our own decoder, which then says why. Never a program with another sum.
 */
export async function openProver(
  { temporary, progress, signal }: Pick<ActionContext, 'temporary' | 'progress' | 'signal'>,
  release: DeviceRelease = deviceRelease,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Prover> {
  const { version } = release;
  const instead = (because: string): Prover => {
    progress.note(`deltas are applied by imgbuild's own decoder, not by the device program: ${because}`);
    return ownProver(because);
  };
  const architecture = process.platform === 'linux' ? architectures[process.arch] : undefined;
  if (architecture === undefined) return instead(`there is none for ${process.platform} on ${process.arch}`);
  const { GITHUB_ACTION_REPOSITORY: repository, GITHUB_SERVER_URL: server = 'https://github.com' } = env;
  if (!repository) return instead('this action comes from no repository whose releases would have it');
  const name = `imgbuild-ota-linux-${architecture}`;
  const file = path.join(temporary, name);
  const { sha256 } = release.programs[architecture];
  try {
    await downloadFile({
      url: `${server}/${repository}/releases/download/v${version}/${name}`,
      sha256,
      partial: file,
      name,
      progress,
      signal,
      retry,
      http,
      wrongSum: (found) => {
        const because = `${name} of release ${version} has the sum ${found}, and this action knows ${sha256}`;
        return new Failure({ doing: `fetching ${name}`, because, fix: 'use the action of that release' });
      },
    });
    await chmod(file, 0o755);
    const { exitCode, stderr } = await run(file, ['--help'], { signal });
    if (exitCode !== 0) return instead(`it does not start here: ${stderr.trim()}`);
  } catch (error) {
    if (signal.aborted || !(error instanceof Failure)) throw error;
    return instead(`${error.doing}: ${error.because}`);
  }
  return deviceProver({ path: file, version, sha256 });
}
