import * as core from '@actions/core';
import { appendFile } from 'node:fs/promises';
import path from 'node:path';
import type { StoreAddress } from '../config/config.ts';
import { findConfig } from '../config/find.ts';
import { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { renderError, styleFor } from '../report/failure.ts';
import { annotationsOf } from '../report/github-annotations.ts';
import { streamProgress } from '../report/progress.ts';
import { makeDockerConfig, parseLogins, removeDockerConfig, type Login } from './docker-config.ts';
import { secretInput, textInput } from './inputs.ts';

/** What an action gets besides its own inputs; the same as a command of the command line gets. */
export interface ActionContext {
  /** Absolute: the folder that the repository is checked out into. */
  workspace: string;
  /** Absolute: `working-directory`. */
  directory: string;
  /** `config`, absolute; else imgbuild.yaml in `directory` or the nearest folder above it. */
  file: string | undefined;
  /** GitHub's registry, below the repository's name: for an imgbuild.yaml that names no store. */
  defaultStore: StoreAddress | undefined;
  progress: Progress;
  /** Aborted when the run is cancelled: GitHub sends SIGINT and, 7.5 seconds later, SIGTERM. */
  signal: AbortSignal;
  /** For GitHub's own interfaces; undefined where the user gave none. */
  token: string | undefined;
  /** The folder for what lasts as long as the job. */
  temporary: string;
  /** Adds a page of Markdown to the job's summary. */
  summary(page: string): Promise<void>;
}

const stateKey = 'docker-config';
/** GitHub's runners bring their own Node; zstd with a dictionary came with this one. */
const oldestNode = [24, 6] as const;

/**
 * The frame of every action: logs in privately, runs `work`, shows failures where they belong, and in the step that
 * GitHub runs at the end of the job takes the logins away. `work` reads its inputs, calls one function and sets outputs; `atEnd` runs in that last step.
 */
export async function runAction(
  work: (context: ActionContext) => Promise<void>,
  atEnd: (workspace: string) => Promise<void> = async () => {},
): Promise<void> {
  const workspace = process.env.GITHUB_WORKSPACE ?? process.cwd();
  if (core.getState('main') === 'started') {
    await removeLogins();
    return atEnd(workspace);
  }
  core.saveState('main', 'started');
  const directory = path.resolve(workspace, textInput('working-directory') ?? '.');
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
  }
  // GitHub's log is no terminal, even where a local runner gives it one.
  const stream = streamProgress({ write: (text) => process.stdout.write(text) }, styleFor({}, process.env));
  const config = textInput('config');
  try {
    checkNode(process.versions.node);
    const token = secretInput('token');
    await logIn(token);
    await work({
      workspace,
      directory,
      file: config === undefined ? undefined : path.resolve(directory, config),
      defaultStore: defaultStore(process.env.GITHUB_REPOSITORY),
      progress: { ...stream, warn: (text) => core.warning(text, { title: 'imgbuild' }) },
      signal: interrupt.signal,
      token,
      temporary: process.env.RUNNER_TEMP ?? path.join(workspace, '.imgbuild'),
      summary: writeSummary,
    });
  } catch (error) {
    // GitHub tells by itself that a run was cancelled.
    process.exitCode = 1;
    if (interrupt.signal.aborted) core.info('stopped; nothing is left half-written');
    else await report(error, workspace, directory);
  } finally {
    stream.close();
  }
}

async function report(error: unknown, workspace: string, directory: string): Promise<void> {
  core.info(renderError(error, styleFor({}, process.env)));
  const root = await findConfig(directory).then(path.dirname, () => directory);
  const below = path.relative(workspace, root).replaceAll(path.sep, '/');
  for (const { message, properties } of annotationsOf(error, below)) core.error(message, properties);
  if (core.isDebug() && error instanceof Error) core.debug(error.stack ?? '');
}

function checkNode(version: string): void {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return;
  throw new Failure({
    doing: 'starting',
    because: `this runner brings Node ${version}, and ${oldestNode.join('.')} is needed`,
    fix: 'update the runner',
  });
}

/** Makes the private DOCKER_CONFIG and points this process at it, never the steps that follow. */
async function logIn(token: string | undefined): Promise<void> {
  const logins = parseLogins((secretInput('logins') ?? '').split('\n'));
  for (const { password } of logins) core.setSecret(password);
  const parent = process.env.RUNNER_TEMP ?? process.cwd();
  const { folder, environment } = await makeDockerConfig(parent, process.env, logins, tokenLogin(token));
  core.saveState(stateKey, folder);
  Object.assign(process.env, environment);
}

/** The host of GitHub's container registry; an Enterprise Server has one of its own. */
function packageRegistry(): string {
  const server = new URL(process.env.GITHUB_SERVER_URL || 'https://github.com').host;
  return server === 'github.com' ? 'ghcr.io' : `containers.${server}`;
}

function defaultStore(repository: string | undefined): StoreAddress | undefined {
  if (!repository) return undefined;
  return { kind: 'registry', registry: packageRegistry(), path: repository.toLowerCase() };
}

/** GitHub's token is for GitHub's registry only. */
function tokenLogin(password: string | undefined): Login[] {
  if (password === undefined) return [];
  const registry = packageRegistry();
  return [{ registry, username: process.env.GITHUB_ACTOR || 'x-access-token', password }];
}

async function removeLogins(): Promise<void> {
  const folder = core.getState(stateKey);
  if (folder !== '') await removeDockerConfig(folder);
}

async function writeSummary(page: string): Promise<void> {
  const file = process.env.GITHUB_STEP_SUMMARY;
  if (file) await appendFile(file, page);
}
