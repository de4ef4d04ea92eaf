import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

const main = resolve(import.meta.dirname, '../../src/cli/main.ts');

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export interface RunningCli {
  /** SIGINT, as Ctrl-C sends it. */
  interrupt(): void;
  ended: Promise<Ended>;
}

/** `imgbuild -C ROOT …` as a process of its own. */
export function startCli(root: string, env: NodeJS.ProcessEnv, ...args: string[]): RunningCli {
  const child = spawn(process.execPath, [main, '-C', root, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<Ended>((done) => child.on('close', (exitCode) => done({ exitCode, stdout, stderr })));
  return {
    interrupt: () => void child.kill('SIGINT'),
    ended,
  };
}

export function imgbuild(root: string, env: NodeJS.ProcessEnv, ...args: string[]): Promise<Ended> {
  return startCli(root, env, ...args).ended;
}

/** What a command that ends well prints. Throws with its messages when it does not. */
export async function imgbuildDone(root: string, env: NodeJS.ProcessEnv, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await imgbuild(root, env, ...args);
  if (exitCode !== 0) throw new Error(`imgbuild ${args.join(' ')}: exit code ${exitCode}\n${stderr}`);
  return stdout;
}

/** The document that a command prints with --json. */
export async function imgbuildJson<T>(root: string, env: NodeJS.ProcessEnv, ...args: string[]): Promise<T> {
  return JSON.parse(await imgbuildDone(root, env, ...args, '--json')) as T;
}
