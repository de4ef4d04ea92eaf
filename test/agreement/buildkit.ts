import { existsSync } from 'node:fs';
import path from 'node:path';
import Docker from 'dockerode';
import { run, runChecked } from '../../src/process/run.ts';
import type { Features } from './generate.ts';

/** A daemon with BuildKit: the environment of its client. */
export interface BuildKit {
  env: Record<string, string>;
  version: string;
}

export type Build =
  | { kind: 'built'; /** Steps that were not in the cache, as BuildKit names them. */ ran: string[]; image: BuiltImage }
  | { kind: 'refused'; because: string };

/** What two builds of the same inputs must have in common. */
export interface BuiltImage {
  id: string;
  config: Record<string, unknown>;
  rootfs: string[];
  platform: string;
}

export interface ImageFacts {
  id: string;
  env: string[];
  workdir: string;
  onbuild: string[];
}

/** Steps of `--progress=plain`: `#7 [build 2/5] COPY …`, then `#7 CACHED`. */
export function stepsThatRan(progress: string): string[] {
  const names = new Map<string, string>();
  const cached = new Set<string>();
  for (const line of progress.split('\n')) {
    const [, id, rest] = /^#(\d+) (.*)$/.exec(line) ?? [];
    if (id === undefined || rest === undefined) continue;
    if (rest === 'CACHED') cached.add(id);
    else if (/^\[(?!internal|auth)[^\]]*\d+\/\d+\] /.test(rest)) names.set(id, rest);
  }
  return [...names].filter(([id, name]) => !cached.has(id) && !/^\[[^\]]*\] FROM /.test(name)).map(([, name]) => name);
}

/** The program that has BuildKit build: buildx itself where there is one, else the client. */
function builder({ env }: BuildKit): { program: string; args: string[] } {
  const buildx = path.join(env['DOCKER_CONFIG'] ?? '', 'cli-plugins/docker-buildx');
  if (existsSync(buildx)) return { program: buildx, args: ['build', '--load', '--provenance=false'] };
  return { program: 'docker', args: ['build'] };
}

function daemon({ env }: BuildKit): Docker {
  return new Docker({ socketPath: env['DOCKER_HOST']!.replace(/^unix:\/\//, '') });
}

export interface BuildOptions {
  context: string;
  dockerfile: string;
  target?: string | undefined;
  args: Record<string, string>;
  labels?: Record<string, string>;
  platform?: string;
  tag: string;
}

export async function build(buildkit: BuildKit, options: BuildOptions): Promise<Build> {
  const { context, dockerfile, target, args, labels = {}, platform } = options;
  const { program, args: first } = builder(buildkit);
  const built = await run(
    program,
    [
      ...first,
      '--progress=plain',
      '--tag',
      options.tag,
      '--file',
      dockerfile,
      ...(target === undefined ? [] : ['--target', target]),
      ...(platform === undefined ? [] : ['--platform', platform]),
      ...Object.entries(args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
      ...Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
      context,
    ],
    { env: { ...buildkit.env, DOCKER_BUILDKIT: '1' } },
  );
  if (built.exitCode !== 0) return { kind: 'refused', because: built.stderr.slice(-2000) };
  const { Id, Config, RootFS, Os, Architecture } = await daemon(buildkit).getImage(options.tag).inspect();
  return {
    kind: 'built',
    ran: stepsThatRan(built.stderr),
    image: {
      id: Id,
      config: { ...Config } as Record<string, unknown>,
      rootfs: RootFS.Layers ?? [],
      platform: `${Os}/${Architecture}`,
    },
  };
}

export async function imageFacts(buildkit: BuildKit, reference: string): Promise<ImageFacts> {
  const { Id, Config } = await daemon(buildkit).getImage(reference).inspect();
  const { Env, WorkingDir, OnBuild } = Config as { Env?: string[]; WorkingDir?: string; OnBuild?: string[] };
  return { id: Id, env: Env ?? [], workdir: WorkingDir ?? '', onbuild: OnBuild ?? [] };
}

export async function tag(buildkit: BuildKit, from: string, to: string): Promise<void> {
  const [repo = '', name = 'latest'] = to.split(':');
  await daemon(buildkit).getImage(from).tag({ repo, tag: name });
}

/** Two outside images that differ in a file and in their environment. */
export async function prepareOutside(
  buildkit: BuildKit,
  rootfs: string,
  folder: string,
  write: (name: string, text: string) => Promise<void>,
): Promise<void> {
  await runChecked('docker', ['import', rootfs, 'outside-a'], { env: buildkit.env });
  await write('Dockerfile', 'FROM outside-a\nRUN echo outside >/etc/outside\nENV OUTSIDE=b\n');
  const built = await build(buildkit, {
    context: folder,
    dockerfile: `${folder}/Dockerfile`,
    args: {},
    tag: 'outside-b',
  });
  if (built.kind === 'refused') throw new Error(built.because);
}

/** Asks with a build that only a frontend which knows the feature gets through. */
export async function featuresOf(
  buildkit: BuildKit,
  folder: string,
  write: (name: string, text: string) => Promise<void>,
): Promise<Features> {
  const asks = async (text: string): Promise<boolean> => {
    await write('Dockerfile', `FROM scratch\n${text}\n`);
    await write('x', 'x');
    const built = await build(buildkit, {
      context: folder,
      dockerfile: `${folder}/Dockerfile`,
      args: {},
      tag: 'asked',
    });
    return built.kind === 'built';
  };
  return {
    heredoc: await asks('COPY <<E /e\ne\nE'),
    exclude: await asks('COPY --exclude=y x /'),
    link: await asks('COPY --link x /'),
    parents: await asks('COPY --parents x /'),
  };
}
