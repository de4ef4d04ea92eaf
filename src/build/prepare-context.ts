import { createHash } from 'node:crypto';
import { chmod, copyFile, lstat, mkdir, readFile, readlink, rename, rm, symlink, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LayerPrepare } from '../config/config.ts';
import type { HashedEntry } from '../context/context.ts';
import { makeStateFolder } from '../context/state-folder.ts';
import { temporaryFolder } from '../context/temporary-folder.ts';
import { Failure } from '../failure.ts';
import { inputLine } from '../plan/input.ts';
import { run } from '../process/run.ts';
import type { LayerBuild } from './build-layer.ts';
import { checkUnchanged } from './unchanged.ts';

export interface PreparedFiles {
  /** Relative to the root: it has the outputs. */
  folder: string;
  /** Runs the scripts that come after the build. */
  runAfter(): Promise<void>;
}

/** Variables that a script gets whatever it declares: where programs are, and how they reach the network and Docker. */
const passed =
  /^(?:PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|DOCKER_\w+|SSL_CERT_\w+|(?:https?|no|ftp|all)_proxy)$/i;

/** What is being made, by its folder: layers of one component share their scripts. */
const underWay = new Map<string, Promise<void>>();

/**
 * Has the scripts of `prepare:` make their outputs, unless they made them of the same inputs before. They run in a folder
 * that has nothing but their inputs, at the places that these have in the tree, so that what they find there is what counts.
 * It is no sandbox: a script that asks for the tree by other ways can reach it. Throws a Failure where one ends with an error, or makes too little.
 */
export async function prepareContext(request: LayerBuild): Promise<PreparedFiles | undefined> {
  const { build, lookup, signal } = request;
  const { layer } = build.inputs.link;
  const { prepare } = layer;
  if (!prepare) return undefined;
  const { root } = lookup.config;
  const lines = build.inputs.inputs.filter(({ kind }) => kind.startsWith('prepare')).map(inputLine);
  const key = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 32);
  // What an edit of their inputs leaves is removed; what others declare is not.
  const scripts = createHash('sha256')
    .update(JSON.stringify([layer.context, prepare]))
    .digest('hex')
    .slice(0, 8);
  const state = await makeStateFolder(root, 'prepared');
  const name = `${scripts}-${key}`;
  const made = join(state, name);
  const work: Work = { request, prepare, files: await build.context.prepareInputs(), made };
  while (underWay.has(made)) await underWay.get(made)!.catch(() => undefined);
  const making = makeOutputs(work);
  underWay.set(made, making);
  try {
    await making;
  } finally {
    underWay.delete(made);
  }
  for (const other of await readdir(state)) {
    const isFormer = other.startsWith(`${scripts}-`) && other !== name && !underWay.has(join(state, other));
    if (isFormer) await rm(join(state, other), { recursive: true, force: true });
  }
  return {
    folder: `.imgbuild/prepared/${name}`,
    async runAfter() {
      if (prepare.after.length === 0) return;
      await inCopy(work, async (tree) => {
        for (const output of prepare.outputs) await copyAll(join(made, output), join(tree, layer.context, output));
        for (const script of prepare.after) await runScript(work, tree, script, signal);
      });
    },
  };
}

interface Work {
  request: LayerBuild;
  prepare: LayerPrepare;
  files: readonly HashedEntry[];
  /** Where the outputs are kept. */
  made: string;
}

async function makeOutputs(work: Work): Promise<void> {
  const { request, prepare, made } = work;
  const { build, signal } = request;
  const { layer } = build.inputs.link;
  if (await lstat(made).catch(() => undefined)) return;
  await inCopy(work, async (tree, folder) => {
    for (const script of prepare.run) await runScript(work, tree, script, signal);
    const outputs = join(folder, 'outputs');
    await mkdir(outputs);
    for (const output of prepare.outputs) {
      const target = join(outputs, output);
      await mkdir(dirname(target), { recursive: true });
      await rename(join(tree, layer.context, output), target).catch(() => {
        const because = `${prepare.run.join(', ')} made no ${output} in ${layer.context}`;
        const fix = 'mend outputs:, or name all that it needs in inputs:';
        throw new Failure({ doing: `preparing ${layer.name}`, because, fix, at: placeOf(work) });
      });
    }
    // What is kept under the inputs that were planned was made from them.
    await checkUnchanged(request.lookup.config, build, signal);
    await rename(outputs, made).catch((error: NodeJS.ErrnoException) => {
      // Another process made the same meanwhile.
      if (error.code !== 'EEXIST' && error.code !== 'ENOTEMPTY') throw error;
    });
  });
}

/** Works in a folder that has copies of the inputs. */
async function inCopy(work: Work, act: (tree: string, folder: string) => Promise<void>): Promise<void> {
  const { request, files } = work;
  const { root } = request.lookup.config;
  const { layer } = request.build.inputs.link;
  const folder = await temporaryFolder(root);
  try {
    const tree = join(folder.path, 'tree');
    await mkdir(join(tree, layer.context), { recursive: true });
    for (const { path, mode } of files) await copyOne(join(root, path), join(tree, path), mode);
    await act(tree, folder.path);
  } finally {
    await folder.remove();
  }
}

async function copyOne(from: string, to: string, mode: HashedEntry['mode']): Promise<void> {
  await mkdir(mode === '040000' ? to : dirname(to), { recursive: true });
  if (mode === '040000') return;
  if (mode === '120000') return symlink(await readlink(from), to);
  await copyFile(from, to);
  await chmod(to, mode === '100755' ? 0o755 : 0o644);
}

async function copyAll(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  if (!stats.isDirectory())
    return copyOne(from, to, stats.isSymbolicLink() ? '120000' : stats.mode & 0o100 ? '100755' : '100644');
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) await copyAll(join(from, name), join(to, name));
}

/** As pai-build ran it: from the root, whether or not it is executable. */
async function runScript(
  { request, prepare }: Pick<Work, 'request' | 'prepare'>,
  tree: string,
  script: string,
  signal: AbortSignal,
): Promise<void> {
  const file = join(tree, script);
  await chmod(file, 0o755);
  const hasInterpreter = (await readFile(file, 'utf8')).startsWith('#!');
  const names = Object.keys(request.env).filter((name) => passed.test(name) || prepare.env.includes(name));
  const env = Object.fromEntries(names.map((name) => [name, request.env[name]]));
  const [program, args] = hasInterpreter ? [file, []] : ['sh', [file]];
  const last: string[] = [];
  const onLine = (line: string) => {
    last.push(line);
    if (last.length > 5) last.shift();
  };
  const options = { cwd: tree, env, signal, ownGroup: true, onStdoutLine: onLine, onStderrLine: onLine };
  const { exitCode } = await run(program, args, options);
  if (exitCode === 0) return;
  throw new Failure({
    doing: `running ${script} for ${request.build.inputs.link.layer.name}`,
    because: [`exit code ${exitCode}`, ...last].join('\n'),
    fix: 'where it runs there is nothing of the tree but its inputs: name there all that it reads',
    at: placeOf({ request }),
  });
}

function placeOf({ request }: Pick<Work, 'request'>) {
  return request.lookup.config.locate(['layers', request.build.inputs.link.layer.name, 'prepare']);
}
