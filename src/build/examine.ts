import { accessSync, constants } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../config/config.ts';
import { detectEngine, daemonFacts, findClients } from '../engine/detect.ts';
import { Failure, Failures } from '../failure.ts';
import { run } from '../process/run.ts';
import { LayoutStore } from '../store/layout.ts';
import { RegistryStore } from '../store/registry.ts';

/** One thing that was looked at. `error` stands in the way of a build; `warning` of something else. */
export interface Finding {
  level: 'ok' | 'warning' | 'error';
  subject: 'engine' | 'disk' | 'store' | 'program' | 'configuration';
  text: string;
  fix?: string;
}

export interface ExamineRequest {
  /** Undefined where there is none: only the machine is looked at. A Failure where it cannot be read. */
  config: Config | Failure | Failures | undefined;
  directory: string;
  env: NodeJS.ProcessEnv;
  builder?: string | undefined;
  /** What this configuration needs besides: an error where it is missing. */
  needed?: readonly NeededProgram[];
  signal: AbortSignal;
}

/** A program that is started, which a Debian package brings: by another name where `packages` says so. */
export interface NeededProgram {
  name: string;
  packages?: string;
  /** What it does, after `it`. */
  what: string;
}

/** Layers of AI services have gigabytes; an engine needs room for them twice while it builds. */
const lowDisk = 10e9;
const tooLittleDisk = 1e9;

/** What each program is for, the Debian package that has it. */
const programs: NeededProgram[] = [
  { name: 'git', what: 'reads which files of a repository changed' },
  {
    name: 'xz',
    packages: 'xz-utils',
    what: 'packs the indexes of apt repositories, and debs for releases before Debian 12',
  },
  { name: 'zstd', what: 'applies deltas on this machine, and packs debs on two cores' },
  { name: 'gpg', what: 'signs with keys that stay in GnuPG' },
];

export async function examine(request: ExamineRequest): Promise<Finding[]> {
  const findings: Finding[] = [];
  const fault = request.config instanceof Failure || request.config instanceof Failures ? request.config : undefined;
  const config = fault ? undefined : (request.config as Config | undefined);
  if (fault) {
    findings.push(failed('configuration', fault));
  } else if (config) {
    findings.push({
      level: 'ok',
      subject: 'configuration',
      text: `${config.file}, ${config.layers.length} layer${config.layers.length === 1 ? '' : 's'}`,
    });
  } else {
    const fix = 'run `imgbuild init` in a repository with Dockerfiles';
    findings.push({ level: 'warning', subject: 'configuration', text: 'there is no imgbuild.yaml here', fix });
  }
  findings.push(...(await engine(request)));
  findings.push(await disk('this folder', config?.root ?? request.directory));
  if (config) findings.push(await store(config, request.signal));
  for (const program of programs) findings.push(await look(program, 'warning', request));
  for (const program of request.needed ?? []) findings.push(await look(program, 'error', request));
  if (config) findings.push(...converters(config, request.env));
  return findings;
}

function failed(subject: Finding['subject'], error: unknown): Finding {
  if (error instanceof Failures) return failed(subject, error.failures[0]);
  if (!(error instanceof Failure)) throw error;
  const text = `${error.doing}: ${error.because}`;
  return { level: 'error', subject, text, ...(error.fix === undefined ? {} : { fix: error.fix }) };
}

async function engine({ env, builder, signal }: ExamineRequest): Promise<Finding[]> {
  try {
    const found = await detectEngine({ env, signal, ...(builder === undefined ? {} : { builder }) });
    const { rewriteTimestamp } = found.abilities;
    const findings: Finding[] = [{ level: 'ok', subject: 'engine', text: found.name }];
    if (!rewriteTimestamp) {
      findings.push({
        level: 'warning',
        subject: 'engine',
        text: 'it does not rewrite timestamps: equal steps give other filesystem layers when they are built again',
        fix: "use Docker 26 or newer with buildx and containerd's image store",
      });
    }
    const [program] = await findClients(env);
    const local =
      program === undefined ? undefined : await daemonFacts({ program, env }, signal).catch(() => undefined);
    if (local !== undefined && (env['DOCKER_HOST'] ?? 'unix:').startsWith('unix:')) {
      findings.push(await disk('the engine', local.dataRoot));
    }
    return findings;
  } catch (error) {
    return [failed('engine', error)];
  }
}

async function disk(whose: string, folder: string): Promise<Finding> {
  let room: number;
  try {
    const { bavail, bsize } = await statfs(folder);
    room = bavail * bsize;
  } catch (error) {
    return {
      level: 'warning',
      subject: 'disk',
      text: `${whose} (${folder}) cannot be looked at: ${(error as Error).message}`,
    };
  }
  const text = `${(room / 1e9).toFixed(1)} GB free for ${whose} (${folder})`;
  if (room > lowDisk) return { level: 'ok', subject: 'disk', text };
  const fix = 'make room: `docker system prune`, `imgbuild store gc`';
  return { level: room < tooLittleDisk ? 'error' : 'warning', subject: 'disk', text, fix };
}

async function store(config: Config, signal: AbortSignal): Promise<Finding> {
  if (config.store.kind === 'folder') {
    const { path: folder } = config.store;
    try {
      await new LayoutStore(folder).check('write');
      return { level: 'ok', subject: 'store', text: `the folder ${folder}` };
    } catch (error) {
      return failed('store', error);
    }
  }
  const { registry, path: below } = config.store;
  try {
    // A configuration of packages and models alone has no layer.
    const repository = config.layers[0]?.image.path ?? 'releases';
    const saved = new RegistryStore(registry, below, { signal });
    const tags = await saved.listTags(repository);
    await saved.client.checkPush(saved.repositoryPath(repository));
    const text = `${saved.name} can be read and written${tags.length === 0 ? '; nothing is saved there yet' : ''}`;
    return { level: 'ok', subject: 'store', text };
  } catch (error) {
    return failed('store', error);
  }
}

async function look(
  { name, what, packages = name }: NeededProgram,
  level: 'warning' | 'error',
  { env, signal }: ExamineRequest,
): Promise<Finding> {
  const answer = await run(name, ['--version'], { env, signal }).catch(() => signal.throwIfAborted());
  if (answer?.exitCode === 0) {
    return {
      level: 'ok',
      subject: 'program',
      text: answer.stdout.toString('utf8').split('\n')[0]!.replaceAll('*', '').trim(),
    };
  }
  const text = `${name} is missing: it ${what}`;
  return { level, subject: 'program', text, fix: `apt-get install ${packages}` };
}

/** The programs that models are converted with. They are looked for and not run: nobody knows what that would do. */
function converters(config: Config, env: NodeJS.ProcessEnv): Finding[] {
  const users = Map.groupBy(
    config.models.flatMap(({ name, convert }) =>
      convert === undefined ? [] : [{ name, program: convert.command[0]! }],
    ),
    ({ program }) => program,
  );
  return [...users]
    .filter(([program]) => !program.includes('/'))
    .map(([program, models]): Finding => {
      const found = (env['PATH'] ?? '')
        .split(path.delimiter)
        .map((folder) => path.join(folder, program))
        .find(isProgram);
      if (found !== undefined) return { level: 'ok', subject: 'program', text: found };
      const names = models.map(({ name }) => name).join(', ');
      const text = `${program} is missing: it converts ${models.length === 1 ? 'the model' : 'the models'} ${names}`;
      return { level: 'error', subject: 'program', text, fix: `install ${program}` };
    });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
