import { createReadStream } from 'node:fs';
import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import { Failure } from '../../failure.ts';
import { makeStateFolder } from '../../context/state-folder.ts';
import { ownState } from '../../files/glob.ts';
import { makeTemporaryFolder } from '../../files/temporary-folder.ts';
import { run, runChecked } from '../../process/run.ts';
import type { Progress } from '../../progress.ts';
import { writeWhole } from '../output-file.ts';
import type { PackedDeb } from '../pack-debs.ts';
import type { Draft } from '../draft.ts';
import { buildEnvironment } from './build-environment.ts';
import { parseControlFile } from './control-file.ts';
import type { DebianSource } from './source.ts';
import { readTextFile } from './text-file.ts';

export interface BuildSourceOptions {
  directory: string;
  /** Seconds: SOURCE_DATE_EPOCH of the build. */
  mtime: number;
  env: NodeJS.ProcessEnv;
  progress: Progress;
  signal?: AbortSignal | undefined;
}

/**
 * Has dpkg-buildpackage make the packages of a debian/ folder whose rules build something, in a copy of its sources:
 * nothing is written into the tree. Throws a Failure when it is not installed, or when it fails.
 */
export async function buildDebianSource(
  config: Config,
  source: DebianSource,
  options: BuildSourceOptions,
): Promise<PackedDeb[]> {
  const { directory, mtime, progress, signal } = options;
  const doing = `building the packages of ${source.folder}`;
  await requireInstalled(doing, source, signal);
  const temporary = await makeTemporaryFolder(await makeStateFolder(config.root, 'debian'), 'build-');
  const work = temporary.path;
  const copy = join(work, 'source');
  try {
    await cp(join(config.root, source.root), copy, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => !ownState.has(path.slice(config.root.length + 1)),
    });
    await writeFile(join(copy, 'debian/control'), await controlOf(copy, source.drafts));
    await keepVersion(copy, source);
    progress.note(`${doing} with dpkg-buildpackage: ${source.reasons[0]!}`);
    const { exitCode, stderr } = await run('dpkg-buildpackage', ['--build=binary', '--no-sign', '-ui'], {
      cwd: copy,
      env: buildEnvironment(options.env, mtime),
      ownGroup: true,
      onStdoutLine: (line) => progress.note(line),
      onStderrLine: (line) => progress.note(line),
      ...(signal === undefined ? {} : { signal }),
    });
    if (exitCode !== 0) {
      const because = `dpkg-buildpackage exits with ${exitCode}: ${stderr.trim().split('\n').slice(-5).join('\n')}`;
      throw new Failure({ doing, because, fix: 'mend what it says, and run it again' });
    }
    return await collect(work, source, directory);
  } finally {
    await temporary.remove();
  }
}

async function requireInstalled(doing: string, source: DebianSource, signal: AbortSignal | undefined): Promise<void> {
  try {
    const options = signal === undefined ? {} : { signal };
    if ((await run('dpkg-buildpackage', ['--version'], options)).exitCode === 0) return;
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof Failure)) throw error;
  }
  throw new Failure({
    doing,
    because: `imgbuild packs what is there, but here something is built (${source.reasons.slice(0, 3).join('; ')}), and dpkg-buildpackage is not installed`,
    fix: 'install it: apt-get install dpkg-dev debhelper',
  });
}

/** debian/control with the packages alone that are on: those that were commented out, too. */
async function controlOf(copy: string, drafts: readonly Draft[]): Promise<string> {
  const { source, packages } = parseControlFile((await readTextFile(copy, 'debian/control'))!);
  const wanted = new Set(drafts.map(({ name }) => name));
  return [source, ...packages.filter(({ fields }) => wanted.has(fields.get('package')!.value))]
    .map(({ fields }) =>
      [...fields.values()].map(({ name, value }) => `${name}: ${value.replaceAll('\n', '\n ')}\n`).join(''),
    )
    .join('\n');
}

/** Where `version:` says another one than the changelog, an entry of its own comes first. */
async function keepVersion(copy: string, { drafts, of }: DebianSource): Promise<void> {
  const path = join(copy, 'debian/changelog');
  const text = await readFile(path, 'utf8');
  const [, source, written] = /^\s*(\S+) \(([^)]+)\)/.exec(text) ?? [];
  const draft = drafts[0]!;
  if (written === undefined || written === draft.version) return;
  const date = 'Thu, 01 Jan 1970 00:00:00 +0000';
  const entry = `${source} (${draft.version}) unstable; urgency=medium\n\n  * Version of ${of.name}.\n\n -- ${draft.fields.maintainer}  ${date}\n\n`;
  await writeFile(path, entry + text);
}

async function collect(work: string, { drafts }: DebianSource, directory: string): Promise<PackedDeb[]> {
  const packed: PackedDeb[] = [];
  for (const fileName of (await readdir(work)).filter((name) => name.endsWith('.deb')).toSorted()) {
    const made = join(work, fileName);
    const [name = '', version = '', architecture = ''] = (
      await runChecked('dpkg-deb', ['--show', '--showformat=${Package}\n${Version}\n${Architecture}\n', made])
    ).split('\n');
    // Packages of debug symbols come unasked.
    if (!drafts.some((draft) => draft.name === name)) continue;
    const file = join(directory, fileName);
    const { size, sha256 } = await writeWhole(file, async (output) => {
      for await (const chunk of createReadStream(made)) await output.append(chunk as Buffer);
    });
    packed.push({ name, file, version, architecture, size, sha256 });
  }
  return packed;
}
