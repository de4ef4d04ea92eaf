import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run, runChecked } from '../../src/process/run.ts';

/** A program that the workflow tests need: where it is, or why this machine has none. */
export type Tool = { kind: 'ready'; path: string } | { kind: 'absent'; reason: string };

export interface WorkflowTools {
  /** Runs workflow files without GitHub. */
  act: Tool;
  actionlint: Tool;
  zizmor: Tool;
}

const versions = { act: 'v0.2.89', actionlint: 'v1.7.12', zizmor: '1.32.0' } as const;

/** The reasons that a test may give for a skip; test/allowed-skips.json lists them. */
export const noGo = 'Go is not installed: act and actionlint are built with it';
export const noPython = 'Python with venv is not installed: zizmor comes from its package index';

/**
 * Installs the tools into `<root>/.tools`, once: what is there in the right version is taken as it is. Two processes
 * may do so at once: each builds aside and renames into place.
 */
export async function provideWorkflowTools(root: string): Promise<WorkflowTools> {
  const tools = join(root, '.tools');
  await mkdir(join(tools, 'bin'), { recursive: true });
  const [[act, actionlint], zizmor] = await Promise.all([
    goTools(tools, [
      { name: 'act', module: 'github.com/nektos/act', version: versions.act },
      { name: 'actionlint', module: 'github.com/rhysd/actionlint/cmd/actionlint', version: versions.actionlint },
    ]),
    pythonTool(tools, 'zizmor', versions.zizmor),
  ]);
  return { act: act!, actionlint: actionlint!, zizmor };
}

async function goTools(
  tools: string,
  wanted: readonly { name: string; module: string; version: string }[],
): Promise<Tool[]> {
  const ready: Tool[] = [];
  for (const { name, module, version } of wanted) {
    const path = join(tools, 'bin', name);
    if (!(await reports(path, version))) {
      if (!(await starts('go', 'version'))) {
        ready.push({ kind: 'absent', reason: noGo });
        continue;
      }
      const aside = await mkdtemp(join(tools, 'go-'));
      try {
        await runChecked('go', ['install', `${module}@${version}`], { env: { ...process.env, GOBIN: aside } });
        await rename(join(aside, name), path);
      } finally {
        await rm(aside, { recursive: true, force: true });
      }
    }
    ready.push({ kind: 'ready', path });
  }
  return ready;
}

async function pythonTool(tools: string, name: string, version: string): Promise<Tool> {
  const path = join(tools, 'bin', name);
  if (await reports(path, version)) return { kind: 'ready', path };
  const aside = await mkdtemp(join(tools, 'venv-'));
  try {
    const made = await run('python3', ['-m', 'venv', aside]).catch(() => undefined);
    if (made?.exitCode !== 0) return { kind: 'absent', reason: noPython };
    await runChecked(join(aside, 'bin', 'pip'), ['install', '--quiet', `${name}==${version}`]);
    // The wheel holds one native program, which needs nothing of the environment that it came in.
    await rename(join(aside, 'bin', name), path);
    return { kind: 'ready', path };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Whether the program is there and names the version when asked. */
async function reports(path: string, version: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  const { exitCode, stdout } = await run(path, ['--version']);
  return exitCode === 0 && stdout.toString('utf8').includes(version.replace(/^v/, ''));
}

async function starts(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args).then(
    ({ exitCode }) => exitCode === 0,
    () => false,
  );
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..', '..');
  for (const [name, tool] of Object.entries(await provideWorkflowTools(root)))
    console.log(`${name}: ${tool.kind === 'ready' ? tool.path : tool.reason}`);
}
