import { constants, copyFile, link, lstat, mkdir, readFile, readdir, rm, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { artifactFingerprint, type ArtifactInput } from '../artifact/input.ts';
import type { Model, ModelConvert } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { Failure } from '../failure.ts';
import { replaceFile } from '../files/durable-write.ts';
import type { BlobCache, CachedFile } from '../fetch/blob-cache.ts';
import { run } from '../process/run.ts';
import type { Progress } from '../progress.ts';
import { withFolderLock } from '../store/folder-lock.ts';

/** A file that a conversion reads. */
export interface StagedFile {
  /** Where it finds it. */
  to: string;
  /** Absolute. */
  file: string;
  sha256: string;
  /** Whether it may share its bytes with the cache. */
  cached: boolean;
}

export interface ConvertRequest {
  model: Model & { convert: ModelConvert };
  sources: readonly StagedFile[];
  tools: readonly StagedFile[];
  cache: BlobCache;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

export type ConvertedFile = CachedFile & { to: string };

/** Seconds; what a reproducible converter takes for the time. */
const sourceDate = '1704067200';

/**
 * Runs the command of a model in a folder of its own, or takes what it made before of the same inputs from the cache. It
 * sees the declared inputs where the repository has them, files and sources below ${source}, and writes to ${output}.
 * Throws a Failure when it fails, or does not make what it declares.
 */
export async function convertModel(request: ConvertRequest): Promise<ConvertedFile[]> {
  const { model, cache, progress, signal } = request;
  const key = artifactFingerprint(conversionInputs({ ...request, convert: model.convert }));
  const result = resultPath(cache, key);
  const known = await readResult(result, request);
  if (known !== undefined) return known;
  const onWait = (pid: number) => progress.note(`${model.name}: waiting for process ${pid}, which converts the same`);
  return withFolderLock(
    join(cache.folder, 'locks', key),
    async () => {
      const meanwhile = await readResult(result, request);
      if (meanwhile !== undefined) return meanwhile;
      const work = await cache.workFolder();
      try {
        const made = await convertIn(work, request);
        await mkdir(dirname(result), { recursive: true });
        const outputs = made.map(({ to, sha256 }) => ({ to, sha256 }));
        await replaceFile(result, (file) => file.writeFile(JSON.stringify({ outputs })));
        return made;
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
    { patience: Infinity, signal, onWait },
  );
}

/** What a conversion is told by. */
export interface Conversion {
  convert: ModelConvert;
  sources: readonly Pick<StagedFile, 'to' | 'sha256'>[];
  tools: readonly Pick<StagedFile, 'to' | 'sha256'>[];
}

/** What a conversion of the same inputs made before, by places and sums; the files may be gone. */
export async function convertedBefore(
  conversion: Conversion & { cache: BlobCache },
): Promise<{ to: string; sha256: string }[] | undefined> {
  return readOutputs(resultPath(conversion.cache, artifactFingerprint(conversionInputs(conversion))));
}

function resultPath(cache: BlobCache, key: string): string {
  return join(cache.folder, 'results', `${key}.json`);
}

/** What decides the outcome: contents and places, not where they came from. */
function conversionInputs({ convert, sources, tools }: Conversion): ArtifactInput[] {
  const { command, outputs, version } = convert;
  const file = (place: string, { to, sha256 }: Pick<StagedFile, 'to' | 'sha256'>): ArtifactInput => ({
    kind: 'file',
    path: place,
    to,
    sha256,
  });
  return [
    { kind: 'artifact', type: 'conversion' },
    { kind: 'command', argv: command },
    { kind: 'field', name: 'outputs', value: JSON.stringify(outputs.toSorted()) },
    ...(version === undefined ? [] : [{ kind: 'field', name: 'version', value: version } as const]),
    ...sources.map((each) => file('source', each)),
    ...tools.map((each) => file('tool', each)),
  ];
}

async function readOutputs(path: string): Promise<{ to: string; sha256: string }[] | undefined> {
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { outputs: { to: string; sha256: string }[] }).outputs;
  } catch {
    return undefined;
  }
}

async function readResult(path: string, { cache, progress, signal }: ConvertRequest) {
  const outputs = await readOutputs(path);
  if (outputs === undefined) return undefined;
  const files: ConvertedFile[] = [];
  for (const { to, sha256 } of outputs) {
    const found = await cache.find(sha256, progress, signal);
    if (found === undefined) return undefined;
    files.push({ to, ...found });
  }
  return files;
}

async function convertIn(work: string, request: ConvertRequest): Promise<ConvertedFile[]> {
  const { model, progress, signal, env } = request;
  const { command, outputs } = model.convert;
  const [source, tools, output] = ['source', 'tools', 'output'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  for (const folder of [source, tools, output]) await mkdir(folder);
  for (const file of request.sources) await stage(file, join(source, file.to));
  for (const file of request.tools) await stage({ ...file, cached: false }, join(tools, file.to), true);
  for (const to of outputs) await mkdir(dirname(join(output, to)), { recursive: true });
  const [program, ...args] = command.map((word) =>
    word.replaceAll('${source}', () => source).replaceAll('${output}', () => output),
  ) as [string, ...string[]];
  progress.note(`${model.name}: converting with ${command[0]}`);
  const last: string[] = [];
  const keep = (line: string) => {
    last.push(line);
    if (last.length > 5) last.shift();
  };
  const { exitCode } = await run(program, args, {
    cwd: tools,
    env: environment(env, source, output),
    ownGroup: true,
    onStdoutLine: keep,
    onStderrLine: keep,
    ...(signal === undefined ? {} : { signal }),
  });
  const doing = `converting model ${model.name}: running ${command.join(' ')}`;
  if (exitCode !== 0) {
    const because = `exit code ${exitCode}${last.length === 0 ? '' : `: ${last.join('\n')}`}`;
    throw new Failure({
      doing,
      because,
      fix: 'mend what it says; it sees nothing of the repository but convert.inputs, files and sources',
    });
  }
  return collect(output, request, doing);
}

async function collect(output: string, request: ConvertRequest, doing: string): Promise<ConvertedFile[]> {
  const { model, cache, progress, signal } = request;
  const { outputs } = model.convert;
  const found = new Set<string>();
  for (const entry of await readdir(output, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory()) found.add(relative(output, join(entry.parentPath, entry.name)));
  }
  const missing = outputs.find((to) => !found.has(to));
  if (missing !== undefined) {
    const near = didYouMean(missing, [...found]);
    const made = [...found].slice(0, 3).join(', ') || 'nothing';
    const fix = near === undefined ? `it made ${made}` : `did you mean ${near}?`;
    throw new Failure({ doing, because: `it exited with 0, and ${missing} is not there`, fix });
  }
  const others = [...found].filter((to) => !outputs.includes(to));
  if (others.length > 0) {
    progress.warn(
      `${model.name}: the conversion also made ${others.slice(0, 3).join(', ')}, which outputs: does not name`,
    );
  }
  const hashes = cache.hashes();
  const files: ConvertedFile[] = [];
  for (const to of new Set(outputs)) {
    const path = join(output, to);
    if (!(await lstat(path)).isFile()) {
      throw new Failure({ doing, because: `it made ${to}, which is no file`, fix: 'have it write a file of its own' });
    }
    const { sha256 } = await hashes.of(path, to, progress, signal);
    files.push({ to, ...(await cache.adopt(path, sha256)) });
  }
  return files;
}

/** A copy that shares the blocks where the file system can; else what costs nothing, and a copy of what must be a file. */
async function stage({ file, cached }: StagedFile, to: string, copied = false): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await copyFile(file, to, constants.COPYFILE_FICLONE_FORCE);
  } catch {
    await rm(to, { force: true });
    if (copied) await copyFile(file, to);
    else if (cached) await link(file, to).catch(() => symlink(file, to));
    else await symlink(file, to);
  }
}

/** Without what is secret: a program that is fetched from elsewhere has no need of it. */
function environment(env: NodeJS.ProcessEnv, source: string, output: string): NodeJS.ProcessEnv {
  const secret = /^(?:IMGBUILD_|ACTIONS_)|^(?:GITHUB|GH)_TOKEN$/;
  const rest = Object.fromEntries(Object.entries(env).filter(([name]) => !secret.test(name)));
  return { ...rest, SOURCE_DATE_EPOCH: sourceDate, IMGBUILD_SOURCE: source, IMGBUILD_OUTPUT: output };
}
