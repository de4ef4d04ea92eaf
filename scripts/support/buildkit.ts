import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../../src/failure.ts';
import { run, runChecked } from '../../src/process/run.ts';
import { findProgram } from './apt.ts';
import { startDaemon } from './daemon.ts';
import { EngineUnavailable, toolsFolder, type RunningEngine } from './engines.ts';

const version = 'v0.26.3';

/**
 * BuildKit's daemon, built from its Go module where there is Go, once. `go install` refuses the module for its replace
 * directives; one that requires it does not. Takes minutes.
 */
export async function buildkitProgram(note: (text: string) => void = () => {}): Promise<string> {
  const folder = join(toolsFolder, 'buildkit', version);
  const program = join(folder, 'buildkitd');
  if (existsSync(program)) return program;
  const go = findProgram('go');
  if (go === undefined) {
    throw new EngineUnavailable({ doing: 'building buildkitd', because: 'there is no Go here', fix: 'install Go' });
  }
  note(`building buildkitd ${version} with Go`);
  await mkdir(join(toolsFolder, 'buildkit'), { recursive: true });
  const work = await mkdtemp(join(toolsFolder, 'buildkit', '.making-'));
  try {
    await writeFile(join(work, 'go.mod'), `module tools\n\ngo 1.24\n\nrequire github.com/moby/buildkit ${version}\n`);
    await writeFile(
      join(work, 'tools.go'),
      '//go:build tools\n\npackage tools\n\nimport _ "github.com/moby/buildkit/cmd/buildkitd"\n',
    );
    // Tests of modules far away may not resolve; the program itself does.
    await run(go, ['mod', 'tidy', '-e'], { cwd: work });
    await runChecked(go, ['build', '-o', 'out/buildkitd', 'github.com/moby/buildkit/cmd/buildkitd'], { cwd: work });
    await rename(join(work, 'out'), folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } catch (cause) {
    throw new EngineUnavailable({ doing: 'building buildkitd', because: (cause as Error).message, cause });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

export interface RemoteBuilder {
  /** For `--builder`. */
  name: string;
  stop(): Promise<void>;
}

/** A buildkitd of our own, and a buildx builder of the `remote` driver to it in the engine's client configuration. */
export async function remoteBuilder(engine: Pick<RunningEngine, 'env'>, name: string): Promise<RemoteBuilder> {
  const program = await buildkitProgram();
  const state = await mkdtemp('/tmp/imgbuild-buildkit-');
  const socket = join(state, 'buildkitd.sock');
  const args = [
    '--root',
    join(state, 'root'),
    '--addr',
    `unix://${socket}`,
    '--oci-worker-net=host',
    '--containerd-worker=false',
  ];
  const options = { env: engine.env, log: join(state, 'log'), keep: false };
  const daemon = startDaemon(program, args, options);
  const stop = async () => {
    await run('docker', ['buildx', 'rm', '--force', name], { env: engine.env });
    await daemon.stop();
    await rm(state, { recursive: true, force: true });
  };
  try {
    for (let waited = 0; waited < 300 && daemon.running() && !existsSync(socket); waited++) await sleep(100);
    if (!existsSync(socket)) {
      throw new Failure({ doing: 'starting buildkitd', because: daemon.lastLines(), fix: 'see its last lines above' });
    }
    const create = ['buildx', 'create', '--name', name, '--driver', 'remote', `unix://${socket}`];
    await runChecked('docker', create, { env: engine.env });
    return { name, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
