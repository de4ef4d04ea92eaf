import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { packagesContext, type PackageAddress, type PackageUse } from '../dockerfile/packages.ts';
import type { BuildEvent, BuildRequest, Engine } from '../engine/engine.ts';
import { Failure } from '../failure.ts';
import { FileServer, type Served } from '../packages/file-server.ts';
import { stampOf, type PackageFile } from '../packages/folder.ts';
import type { PlannedBuild } from '../plan/plan-layers.ts';

/** What a layer's build is given of its packages folder. */
export interface LentPackages {
  contexts: NonNullable<BuildRequest['contexts']>;
  /** Build args: what keeps steps from asking a proxy for the file server. */
  args: Record<string, string>;
  /** Whether the builder's cache can't be told that the files changed. */
  noCache: boolean;
  /** Throws a Failure when a file is not what it was when the build was planned. */
  checkUnchanged(): Promise<void>;
  /** The error of a build, with what it asked for in vain. */
  explain(error: unknown): unknown;
  release(): Promise<void>;
}

/** The file servers of a run: one for each address, open as long as a build needs it. */
export class PackageServers {
  readonly #servers = new Map<string, { server: Promise<FileServer>; users: number }>();

  async serve(
    address: PackageAddress,
    files: readonly PackageFile[],
    served: Served,
    signal: AbortSignal,
  ): Promise<() => Promise<void>> {
    const key = `${address.host}:${address.port}`;
    const held = this.#servers.get(key) ?? { server: FileServer.listen(address, files[0]!.uses[0]!.at), users: 0 };
    this.#servers.set(key, held);
    held.users++;
    const leave = async () => {
      if (--held.users > 0) return;
      this.#servers.delete(key);
      await (await held.server).close();
    };
    try {
      const server = await held.server;
      const end = await server.lease(files, served, signal);
      return async () => {
        end();
        await leave();
      };
    } catch (error) {
      await leave().catch(() => {});
      throw error;
    }
  }
}

export interface LendOptions {
  build: PlannedBuild;
  engine: Engine;
  servers: PackageServers;
  env: NodeJS.ProcessEnv;
  /** Absolute: the repository's. */
  root: string;
  /** The copy that goes to the engine. Steps that fetch packages get a mark in it that follows the files. */
  dockerfile: string;
  onStep(event: BuildEvent): void;
  signal: AbortSignal;
}

/** Makes the packages of a layer reachable for its build. Throws a Failure that says why the engine can't have them. */
export async function lendPackages(options: LendOptions): Promise<LentPackages> {
  const { build, engine, servers, env, root, signal } = options;
  const { packages, link } = build.inputs;
  const all = packages.flatMap((file) => file.uses.map((use) => ({ file, use })));
  const mounted = all.find(({ use }) => use.via !== 'url');
  if (mounted && !engine.abilities.namedContexts) throw noNamedContexts(engine, mounted.use);
  const addresses = new Map<string, { address: PackageAddress; use: PackageUse; files: Set<PackageFile> }>();
  for (const { file, use } of all) {
    if (use.address === undefined) continue;
    const key = `${use.address.host}:${use.address.port}`;
    const known = addresses.get(key) ?? { address: use.address, use, files: new Set() };
    addresses.set(key, known);
    known.files.add(file);
  }
  if (addresses.size > 0) await checkReachable(engine, [...addresses.values()][0]!);
  const written = (await readFile(resolve(root, link.layer.dockerfile), 'utf8')).split(/\r?\n/);
  await markSteps(options.dockerfile, all);
  const refused = new Set<string>();
  const served = showServed(options.onStep, refused);
  const held: (() => Promise<void>)[] = [];
  const release = async () => {
    for (const end of held.splice(0)) await end();
  };
  try {
    // In one order everywhere: of two builds that need two addresses each, one gets both.
    for (const [, { address, files }] of [...addresses].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      held.push(await servers.serve(address, [...files], served, signal));
    }
  } catch (error) {
    await release();
    throw error;
  }
  return {
    contexts: mounted ? [{ name: packagesContext, path: resolve(root, link.layer.packages!) }] : [],
    args: withoutProxy(
      [...addresses.values()].map(({ address }) => address.host),
      env,
    ),
    noCache: all.some(({ use }) => use.triggered),
    checkUnchanged: async () => {
      for (const file of packages) await checkFile(link.layer.name, file);
    },
    explain: (error) => (error instanceof Failure ? explained(error, refused, written) : error),
    release,
  };
}

function noNamedContexts(engine: Engine, { at }: PackageUse): Failure {
  return new Failure({
    doing: 'giving the build its packages',
    because: `${engine.name} has no named contexts, and this takes files from=${packagesContext}`,
    fix: "install buildx with containerd's image store, or fetch the files in the step: wget http://172.17.0.1:3000/FILE",
    at,
  });
}

async function checkReachable(engine: Engine, { address, use }: { address: PackageAddress; use: PackageUse }) {
  const elsewhere = await engine.elsewhere?.();
  if (elsewhere === undefined) return;
  throw new Failure({
    doing: `serving packages at ${address.host}:${address.port}`,
    because: `the engine runs elsewhere (${elsewhere}): that address is not this machine there`,
    fix: `build with an engine on this machine, or take the files by RUN --mount=type=bind,from=${packagesContext}`,
    at: use.at,
  });
}

/** A mount of a secret that there is not: nothing of it reaches the step or the image, but the builder's cache sees it. */
const markPattern = /--mount=type=secret,id=imgbuild-packages-[0-9a-f]{16},required=false /g;

/**
 * Builders reuse a step while its text is the same, whatever it fetches. Each step gets a mark made of what it fetches; all
 * stays on its lines.
 */
async function markSteps(dockerfile: string, all: readonly { file: PackageFile; use: PackageUse }[]): Promise<void> {
  const byLine = new Map<number, string[]>();
  for (const { file, use } of all) {
    if (use.step !== undefined) byLine.set(use.step, [...(byLine.get(use.step) ?? []), `${file.sha256} ${file.path}`]);
  }
  if (byLine.size === 0) return;
  const lines = (await readFile(dockerfile, 'utf8')).split('\n');
  for (const [line, files] of byLine) {
    const sum = createHash('sha256').update(files.toSorted().join('\n')).digest('hex').slice(0, 16);
    const mark = `--mount=type=secret,id=imgbuild-packages-${sum},required=false`;
    lines[line - 1] = lines[line - 1]!.replace(/^(\uFEFF?\s*[A-Za-z]+)/, `$1 ${mark}`);
  }
  await writeFile(dockerfile, lines.join('\n'));
}

/** What people read has no marks. */
export function withoutMarks(text: string): string {
  return text.replaceAll(markPattern, '');
}

/** At most so many lines while a file is sent. */
const tenths = 10;

function showServed(onStep: (event: BuildEvent) => void, refused: Set<string>): Served {
  let count = 0;
  return {
    started({ name }, bytes) {
      const id = `packages-${count++}`;
      let sent = 0;
      let told = 0;
      onStep({ kind: 'step-started', id, name: `serving ${name} (${bytes} bytes)`, cached: false });
      return {
        add(more) {
          sent += more;
          const part = Math.floor((sent / bytes) * tenths);
          if (part <= told || part === tenths) return;
          told = part;
          onStep({ kind: 'log', id, text: `${part * (100 / tenths)} % sent\n` });
        },
        end(because) {
          onStep({ kind: 'step-done', id, cached: false, ...(because === undefined ? {} : { error: because }) });
        },
      };
    },
    refused(path) {
      refused.add(path);
    },
  };
}

const proxies = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'all_proxy'];

function withoutProxy(hosts: readonly string[], env: NodeJS.ProcessEnv): Record<string, string> {
  if (hosts.length === 0 || !proxies.some((name) => env[name])) return {};
  const exceptions = [env['NO_PROXY'] ?? env['no_proxy'], ...hosts].filter(Boolean).join(',');
  return { NO_PROXY: exceptions, no_proxy: exceptions };
}

async function checkFile(layer: string, { file, name, stamp, sha256 }: PackageFile): Promise<void> {
  const now = await stat(file, { bigint: true }).catch(() => undefined);
  if (now !== undefined && (stampOf(now) === stamp || (await sumOf(file)) === sha256)) return;
  throw new Failure({
    doing: `building ${layer}`,
    because: `${name} changed while it was built`,
    fix: 'run it again when nothing writes there any more; nothing of it was saved',
  });
}

async function sumOf(file: string): Promise<string> {
  const sum = createHash('sha256');
  for await (const bytes of createReadStream(file)) sum.update(bytes as Buffer);
  return sum.digest('hex');
}

/** `written`: the lines of the Dockerfile as people have it, without marks and with the stages that were left out. */
function explained(error: Failure, refused: ReadonlySet<string>, written: readonly string[]): Failure {
  const { doing, fix, kind, cause } = error;
  const at = error.at && { ...error.at, text: written[error.at.line - 1] ?? error.at.text };
  const because = withoutMarks(error.because);
  const asked = [...refused].toSorted().slice(0, 3).join(', ');
  const hint = `it asked the file server for ${asked}, which no URL in the needed stages names: write the URL out in the Dockerfile`;
  return new Failure({
    doing,
    because,
    kind,
    cause,
    ...(refused.size > 0 ? { fix: hint } : fix === undefined ? {} : { fix }),
    ...(at === undefined ? {} : { at }),
  });
}
