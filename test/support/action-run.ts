import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import type { ActionMetadata } from '../../scripts/generate/action-tables.ts';

export interface ActionResult {
  exitCode: number;
  outputs: Record<string, string>;
  summary: string;
  /** All that was printed, commands to the runner included. */
  log: string;
  /** What the runner would show: `::error file=…::message`. */
  annotations: { level: string; properties: Record<string, string>; message: string }[];
  masks: string[];
  /** The runner's temporary folder; it lasts until `endJob`. */
  temporary: string;
  /** Runs the post step, as the runner does at the end of the job. */
  endJob(): Promise<ActionResult>;
}

const root = path.resolve(import.meta.dirname, '../..');

/**
 * Runs an action as GitHub's runner does: inputs with the defaults of its action.yml as INPUT_ variables, outputs,
 * state and summary through files, one process for the main step and one for the post step.
 * `env`: beside what the runner sets; nothing of this process's own but PATH.
 */
export async function runAction(
  name: string,
  workspace: string,
  inputs: Record<string, string> = {},
  env: Record<string, string> = {},
): Promise<ActionResult> {
  const metadata = parse(readFileSync(path.join(root, `actions/${name}/action.yml`), 'utf8')) as ActionMetadata;
  const unknown = Object.keys(inputs).filter((input) => !(input in (metadata.inputs ?? {})));
  if (unknown.length > 0) throw new Error(`${name} has no input ${unknown.join(', ')}`);
  const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-action-'));
  const temporary = path.join(work, 'temp');
  mkdirSync(temporary);
  const values = Object.entries(metadata.inputs ?? {}).map(([input, { default: preset = '' }]) => {
    const given = inputs[input] ?? (preset.includes('${{') ? '' : preset);
    return [`INPUT_${input.replaceAll(' ', '_').toUpperCase()}`, given];
  });
  const base = {
    PATH: process.env.PATH!,
    HOME: work,
    RUNNER_TEMP: temporary,
    GITHUB_WORKSPACE: workspace,
    GITHUB_ACTIONS: 'true',
    ...(Object.fromEntries(values) as Record<string, string>),
    ...env,
  };
  const main = await step(name, work, workspace, base);
  const state = keyValues(readFileSync(path.join(work, 'state'), 'utf8'));
  const saved = Object.fromEntries(Object.entries(state).map(([key, value]) => [`STATE_${key}`, value]));
  return {
    ...main,
    temporary,
    async endJob() {
      const post = await step(name, work, workspace, { ...base, ...saved });
      return { ...post, temporary, endJob: () => Promise.reject(new Error('the job has ended')) };
    },
  };
}

/** Takes away what the runner kept for the job. */
export function removeJob(result: ActionResult): void {
  rmSync(path.dirname(result.temporary), { recursive: true, force: true });
}

async function step(name: string, work: string, cwd: string, env: Record<string, string>) {
  const files = { GITHUB_OUTPUT: 'output', GITHUB_STATE: 'state', GITHUB_STEP_SUMMARY: 'summary', GITHUB_ENV: 'env' };
  const paths = Object.entries(files).map(([variable, file]) => [variable, path.join(work, file)]);
  for (const [, file] of paths) writeFileSync(file!, '');
  const child = spawn(process.execPath, [path.join(root, `src/actions/${name}.ts`)], {
    cwd,
    env: { ...env, ...(Object.fromEntries(paths) as Record<string, string>) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exitCode = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  const read = (file: string) => readFileSync(path.join(work, file), 'utf8');
  const commands = [...log.matchAll(/^::([\w-]+)(?: ([^:]*))?::(.*)$/gm)].map(([, level, properties, message]) => ({
    level: level!,
    properties: Object.fromEntries((properties ?? '').split(',').map((pair) => pair.split('=', 2))) as Record<
      string,
      string
    >,
    message: decode(message!),
  }));
  return {
    exitCode,
    log,
    outputs: keyValues(read('output')),
    summary: read('summary'),
    annotations: commands.filter(({ level }) => level === 'error' || level === 'warning' || level === 'notice'),
    masks: commands.filter(({ level }) => level === 'add-mask').map(({ message }) => message),
  };
}

function decode(text: string): string {
  return text.replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
}

/** The runner's file format: NAME<<MARK, the value's lines, MARK. */
function keyValues(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^([\w-]+)<<(\S+)\n([\s\S]*?)\n\2$/gm)].map(([, name, , value]) => [name!, value!]),
  );
}
