import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { nameFrom } from '../../config/infer.ts';
import { diskAt, type Disk } from '../disk.ts';
import type { ForeignLayer, ForeignProject, ForeignTree } from '../foreign-tree.ts';
import { placeIn, wrongIn } from '../place.ts';
import { dockerBuilds, type DockerBuild } from './docker-build.ts';

/** A file server of the building machine: RFC 1918. */
const served = /http:\/\/(?:10\.\d+|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.\d+\.\d+/;
const scriptNames = ['dockerbuild.sh', 'build.sh'];
const proxies = /^(?:https?|no|ftp|all)_proxy$/i;

export const ascendTree: ForeignTree = {
  kind: 'ascend',
  title: 'Ascend, staged Dockerfiles',
  async recognise(root) {
    await readdir(root);
    const disk = diskAt(root);
    return ['.', ...disk.folders('.')].flatMap((folder) => scriptIn(disk, folder) ?? []);
  },
  async read(root, found) {
    const disk = diskAt(root);
    const project: ForeignProject = { layers: [], files: [], advice: [], failures: [], direct: [] };
    for (const file of found) readScript(project, disk, file);
    return project;
  },
};

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

function readScript(project: ForeignProject, disk: Disk, file: string): void {
  const text = disk.text(file)!;
  const folder = posix.dirname(file);
  if (!file.endsWith('.sh')) {
    addLayer(
      project,
      disk,
      { file, text, folder },
      { folder: '.', context: '.', args: new Map(), others: [], line: 1 },
    );
    return;
  }
  for (const build of dockerBuilds(text)) addLayer(project, disk, { file, text, folder }, build);
}

interface Script {
  file: string;
  text: string;
  folder: string;
}

function addLayer(project: ForeignProject, disk: Disk, { file, text, folder }: Script, build: DockerBuild): void {
  const at = placeIn(file, text, build.line);
  const refuse = (because: string, fix: string) => project.failures.push(wrongIn(at, because, fix));
  const here = posix.join(folder, build.folder);
  const context = posix.join(here, build.context).replace(/(.)\/$/, '$1');
  if (context === '..' || context.startsWith('../')) {
    refuse(`${build.context} is outside of the folder that is imported`, 'import the folder above');
    return;
  }
  const dockerfile = build.dockerfile === undefined ? dockerfileIn(disk, context) : posix.join(here, build.dockerfile);
  const content = dockerfile === undefined ? undefined : disk.text(dockerfile);
  if (content === undefined || disk.kind(context) !== 'folder') {
    refuse(`there is no ${dockerfile ?? posix.join(context, 'Dockerfile')}`, 'make it, or mend the call');
    return;
  }
  const fetches = served.test(content);
  const args: Record<string, string> = {};
  for (const [name, value] of build.args) {
    if (proxies.test(name)) continue;
    if (name === 'ARCH' && fetches) {
      project.advice.push({ at, text: 'ARCH is what `uname -m` says on each platform: it need not be given' });
    } else if (/[$`]/.test(value)) {
      refuse(`the value of ${name} is known only when the script runs`, `write it in args: of the layer: ${name}`);
    } else args[name] = value;
  }
  for (const option of build.others) project.advice.push({ at, text: `${option} is left out: it has no counterpart` });
  const written = build.image ?? build.target ?? (folder === '.' ? 'image' : posix.basename(folder));
  if (/[$`]/.test(written)) {
    refuse(`the image's name ${written} is known only when the script runs`, 'write image: NAME:TAG in the layer');
    return;
  }
  const [first, ...rest] = written.split('/');
  const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first!);
  const image = (hasHost ? rest.join('/') : written).replace(/:latest$/, '');
  if (hasHost) project.advice.push({ at, text: `${first} is where it is saved: store: ${first}/…` });
  if (fetches) {
    const advice = `what it fetches is in ${folder}: a folder of its own for it (packages: packages) keeps it out of the context`;
    project.advice.push({ at, text: advice });
  }
  project.layers.push({
    name: freeName(project.layers, build.target ?? image.replace(/:.*$/, '').split('/').at(-1)!, image),
    context,
    dockerfile: dockerfile!,
    image,
    others: {
      ...(build.target === undefined ? {} : { target: build.target }),
      ...(Object.keys(args).length > 0 ? { args } : {}),
      ...(fetches ? { packages: folder } : {}),
      ...(build.platform === undefined ? {} : { platforms: build.platform.split(',') }),
    },
    comments: [`${file}:${build.line}${file.endsWith('.sh') ? ' docker build' : ''}`],
    at,
  });
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
