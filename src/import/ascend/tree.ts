import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { nameFrom } from '../../config/infer.ts';
import type { SourceLocation } from '../../failure.ts';
import { diskAt, type Disk } from '../disk.ts';
import { sameImage, type ForeignLayer, type ForeignProject, type ForeignTree } from '../foreign-tree.ts';
import { placeIn, wrongIn } from '../place.ts';
import { dockerBuilds, type DockerBuild } from './docker-build.ts';

/** What a user can say about a tree that its scripts do not. */
export interface AscendOptions {
  /** Stages that are left out, of the Dockerfiles that have them. */
  skip: readonly string[];
  /** The folder of the installers, relative to the disk's root or absolute; without it that of the script. */
  packages?: string | undefined;
  /** What the scripts take from their environment, or find out when they run. */
  variables: Readonly<Record<string, string>>;
  /** Build args that have their values elsewhere, where a script gives one that is known only when it runs. */
  given: ReadonlySet<string>;
}

/** A file server of the building machine: RFC 1918. */
const served = /http:\/\/(?:10\.\d+|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+/;
const scriptNames = ['dockerbuild.sh', 'build.sh'];
const proxies = /^(?:https?|no|ftp|all)_proxy$/i;

export const ascendTree: ForeignTree = {
  kind: 'ascend',
  title: 'Ascend, staged Dockerfiles',
  async recognise(root) {
    await readdir(root);
    return scriptsBelow(diskAt(root), '.');
  },
  async read(root, found) {
    const project = readScripts(diskAt(root), found, { skip: [], variables: {}, given: new Set() });
    project.direct.push('include: { ascend: . }');
    return project;
  },
};

/** Of the tree in a folder, which is relative to the disk's root: what it amounts to, undefined where there is none. */
export function readAscend(disk: Disk, path: string, options: AscendOptions): ForeignProject | undefined {
  const found = scriptsBelow(disk, path);
  return found.length === 0 ? undefined : readScripts(disk, found, options);
}

/** Of a folder and those in it. */
function scriptsBelow(disk: Disk, path: string): string[] {
  const folders = [path, ...disk.folders(path).map((folder) => posix.join(path, folder))];
  return folders.flatMap((folder) => scriptIn(disk, folder) ?? []);
}

/** The script that builds a folder's images, or its Dockerfile where there is none. */
function scriptIn(disk: Disk, folder: string): string | undefined {
  const dockerfile = dockerfileIn(disk, folder);
  for (const name of scriptNames) {
    const script = posix.join(folder, name);
    const text = disk.text(script);
    if (text === undefined || dockerBuilds(text).length === 0) continue;
    if (name === 'dockerbuild.sh' || /ascend/i.test(text)) return script;
  }
  return dockerfile !== undefined && served.test(disk.text(dockerfile)!) ? dockerfile : undefined;
}

function dockerfileIn(disk: Disk, folder: string): string | undefined {
  return ['Dockerfile', 'dockerfile']
    .map((name) => posix.join(folder, name))
    .find((path) => disk.kind(path) === 'file');
}

interface Script {
  file: string;
  text: string;
  folder: string;
}

const plainBuild: DockerBuild = { folder: '.', context: '.', args: new Map(), others: [], line: 1 };

function readScripts(disk: Disk, files: readonly string[], options: AscendOptions): ForeignProject {
  const project: ForeignProject = { layers: [], files: [], advice: [], failures: [], direct: [] };
  for (const file of files) {
    const text = disk.text(file)!;
    const builds = file.endsWith('.sh') ? dockerBuilds(text, options.variables) : [plainBuild];
    const script = { file, text, folder: posix.dirname(file) };
    for (const build of builds) addLayer(project, disk, script, build, options);
  }
  return project;
}

function addLayer(
  project: ForeignProject,
  disk: Disk,
  script: Script,
  build: DockerBuild,
  { skip, packages, given }: AscendOptions,
): void {
  const { file, text, folder } = script;
  const at = placeIn(file, text, build.line);
  const refuse = (because: string, fix: string) => project.failures.push(wrongIn(at, because, fix));
  const here = posix.join(folder, build.folder);
  const context = posix.join(here, build.context).replace(/(.)\/$/, '$1');
  if (context === '..' || context.startsWith('../')) {
    refuse(`${build.context} is outside of the folder that is imported`, 'import the folder above');
    return;
  }
  const dockerfile = build.dockerfile === undefined ? dockerfileIn(disk, context) : posix.join(here, build.dockerfile);
  const content = dockerfile === undefined || dockerfile.startsWith('../') ? undefined : disk.text(dockerfile);
  if (content === undefined || disk.kind(context) !== 'folder') {
    refuse(`there is no ${dockerfile ?? posix.join(context, 'Dockerfile')}`, 'make it, or mend the call');
    return;
  }
  const fetches = served.test(content);
  const { args, places } = argsOf(project, script, build, fetches, given);
  for (const option of build.others) project.advice.push({ at, text: `${option} is left out: it has no counterpart` });
  const image = imageOf(project, at, build, folder);
  if (image === undefined) return;
  const twice = sameImage(project, image);
  if (twice) {
    refuse(
      `${image} is made in line ${twice.at!.line} of ${twice.at!.file} already`,
      'give one of the two another name',
    );
    return;
  }
  if (fetches && packages === undefined) {
    const advice = `what it fetches is in ${folder}: a folder of its own for it (packages: packages) keeps it out of the context`;
    project.advice.push({ at, text: advice });
  }
  if (build.target !== undefined) places['target'] = placeOf(script, build, '--target');
  const left = skip.filter((stage) => hasStage(content, stage));
  project.layers.push({
    name: freeName(project.layers, build.target ?? image.replace(/:.*$/, '').split('/').at(-1)!, image),
    context,
    dockerfile: dockerfile!,
    image,
    others: {
      ...(build.target === undefined ? {} : { target: build.target }),
      ...(left.length > 0 ? { skip: left } : {}),
      ...(Object.keys(args).length > 0 ? { args } : {}),
      ...(fetches ? { packages: packages ?? folder } : {}),
      ...(build.platform === undefined ? {} : { platforms: build.platform.split(',') }),
    },
    comments: [`${file}:${build.line}${file.endsWith('.sh') ? ' docker build' : ''}`],
    at,
    places,
  });
}

function argsOf(
  project: ForeignProject,
  script: Script,
  build: DockerBuild,
  fetches: boolean,
  given: ReadonlySet<string>,
): { args: Record<string, string>; places: Record<string, SourceLocation> } {
  const args: Record<string, string> = {};
  const places: Record<string, SourceLocation> = {};
  const at = placeIn(script.file, script.text, build.line);
  for (const [name, value] of build.args) {
    if (proxies.test(name)) continue;
    if (name === 'ARCH' && fetches) {
      project.advice.push({ at, text: 'ARCH is what `uname -m` says on each platform: it need not be given' });
    } else if (!/[$`]/.test(value)) {
      args[name] = value;
      places[`args.${name}`] = placeOf(script, build, `${name}=`);
    } else if (!given.has(name)) {
      const because = `the value of ${name} is known only when the script runs`;
      project.failures.push(wrongIn(at, because, `write it in args: ${name}`));
    }
  }
  return { args, places };
}

/** The line of a call that has a text: commands go over several. */
function placeOf({ file, text }: Script, { line }: DockerBuild, part: string): SourceLocation {
  const rows = text.split('\n');
  for (let index = line - 1; index < rows.length; index++) {
    if (rows[index]!.includes(part)) return placeIn(file, text, index + 1);
    if (!rows[index]!.endsWith('\\')) break;
  }
  return placeIn(file, text, line);
}

/** As written, without the registry in front; undefined where it is not known yet. */
function imageOf(project: ForeignProject, at: SourceLocation, build: DockerBuild, folder: string): string | undefined {
  const written = build.image ?? build.target ?? (folder === '.' ? 'image' : posix.basename(folder));
  if (/[$`]/.test(written)) {
    const because = `the image's name ${written} is known only when the script runs`;
    project.failures.push(
      wrongIn(at, because, 'write image: NAME:TAG in the layer, or with include: its variables: { VERSION: … }'),
    );
    return undefined;
  }
  const [first, ...rest] = written.split('/');
  const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first!);
  if (hasHost) project.advice.push({ at, text: `${first} is where it is saved: store: ${first}/…` });
  return (hasHost ? rest.join('/') : written).replace(/:latest$/, '');
}

/** FROM … AS stage. */
function hasStage(dockerfile: string, stage: string): boolean {
  const names = [...dockerfile.matchAll(/^\s*FROM\s.*\sAS\s+(\S+)\s*$/gim)].map(([, name]) => name!.toLowerCase());
  return names.includes(stage.toLowerCase());
}

/** By the target or the image; with the tag where two would be one. */
function freeName(layers: readonly ForeignLayer[], short: string, image: string): string {
  const names = layers.map(({ name }) => name);
  const candidates = [nameFrom(short), nameFrom(image.replaceAll(/[/:]/g, '-'))].filter((name) => name !== '');
  const base = candidates.at(-1) ?? 'image';
  for (let number = 2; ; number++) {
    const free = candidates.find((name) => !names.includes(name));
    if (free !== undefined) return free;
    candidates.push(`${base}-${number}`);
  }
}
