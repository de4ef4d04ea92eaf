import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { nameFrom } from '../../config/infer.ts';
import { diskAt, type Disk } from '../disk.ts';
import { sameImage, type ForeignLayer, type ForeignProject, type ForeignTree } from '../foreign-tree.ts';
import { placeIn, wrongIn } from '../place.ts';
import { buildCalls, type BuildCall } from './build-script.ts';

/** Where the sources, or a release, have the script. */
const scripts = ['release_build.sh', 'container/script/release_build.sh', 'script/release_build.sh'];

export const ccaiTree: ForeignTree = {
  kind: 'ccai',
  title: 'CCAI',
  async recognise(root) {
    await readdir(root);
    return scriptsIn(diskAt(root), '.');
  },
  async read(root, [script]) {
    const project = readScript(diskAt(root), script!, '.');
    project.direct.push('include: { ccai: . }');
    return project;
  },
};

/** Of the tree in a folder, which is relative to the disk's root: what it amounts to, undefined where there is none. */
export function readCcai(disk: Disk, path: string): ForeignProject | undefined {
  const [script] = scriptsIn(disk, path);
  return script === undefined ? undefined : readScript(disk, script, path);
}

function scriptsIn(disk: Disk, path: string): string[] {
  const files = scripts.map((file) => posix.join(path, file));
  return files.filter((file) => disk.text(file)?.includes('docker_build.sh')).slice(0, 1);
}

function readScript(disk: Disk, script: string, path: string): ForeignProject {
  const project: ForeignProject = { layers: [], files: [], advice: [], failures: [], direct: [], top: {} };
  const text = disk.text(script)!;
  const calls = buildCalls(text);
  if (calls.length === 0) {
    const at = placeIn(script, text);
    project.failures.push(wrongIn(at, 'it calls docker_build.sh nowhere', 'name the folder of the release'));
  }
  const folder = posix.dirname(script);
  for (const call of calls) addLayer(project, disk, script, text, folder, call);
  addOptions(project, disk, folder, path);
  for (const control of controlsBelow(disk, folder)) {
    const at = placeIn(control, disk.text(control)!);
    const from = posix.dirname(control);
    project.advice.push({ at, text: `these packages are debs: { NAME: { from: ${from} } } (docs/debs.md)` });
  }
  return project;
}

function addLayer(
  project: ForeignProject,
  disk: Disk,
  script: string,
  text: string,
  folder: string,
  call: BuildCall,
): void {
  const at = placeIn(script, text, call.line);
  // In the sources the Dockerfiles lie beside the scripts' folder; a release has them below it.
  const dockerfile = [posix.join(folder, call.dockerfile), posix.join(folder, '..', call.dockerfile)].find(
    (path) => !path.startsWith('../') && disk.kind(path) === 'file',
  );
  if (dockerfile === undefined) {
    const because = `there is no ${posix.join(folder, call.dockerfile)}`;
    const fix = 'import the folder of a release, or of the sources as they were checked out';
    project.failures.push(wrongIn(at, because, fix));
    return;
  }
  const suffix = posix.basename(dockerfile).replace(/^Dockerfile\./, '');
  const name = nameFrom(suffix === 'image' ? call.image : suffix.replace(/_image$/, ''));
  const twice = sameImage(project, call.image) ?? project.layers.find((layer) => layer.name === name);
  if (twice) {
    const because = `${call.image} is made from ${twice.dockerfile} in line ${twice.at!.line} already`;
    project.failures.push(wrongIn(at, because, 'give one of the two another name'));
    return;
  }
  const context = posix.normalize(posix.dirname(dockerfile));
  const aliases = call.names.filter((each) => each !== name);
  const layer: ForeignLayer = {
    name,
    context,
    dockerfile,
    image: call.image,
    others: aliases.length > 0 ? { aliases } : {},
    comments: [`${script}:${call.line} docker_build.sh ${call.dockerfile}`],
    at,
  };
  project.layers.push(layer);
  for (const [index, row] of disk.text(dockerfile)!.split('\n').entries()) {
    const made = /^\s*COPY\s+(\w+_rootfs)\//.exec(row)?.[1];
    if (made === undefined || disk.kind(posix.join(context, made))) continue;
    const place = placeIn(dockerfile, disk.text(dockerfile)!, index + 1);
    const advice = `${context}/${made} is made by \`make ${made}\`: have it there before the build`;
    project.advice.push({ at: place, text: advice });
  }
}

/** Kconfig and .config where they are; of a release, which has no Kconfig, the values of its .config. */
function addOptions(project: ForeignProject, disk: Disk, folder: string, path: string): void {
  const found = (paths: readonly string[]) =>
    paths.map((each) => posix.join(folder, each)).find((each) => !each.startsWith('../') && disk.kind(each) === 'file');
  const kconfig = found(['config/Kconfig', '../config/Kconfig', 'Kconfig']);
  const config = found(['.config', 'integration_workdir/.config']);
  if (kconfig !== undefined) {
    const values = config ?? posix.join(path, '.config');
    project.top!['options'] = { kconfig, ...(values === '.config' && config === undefined ? {} : { config: values }) };
    const defconfig = found(['config/defconfig', '../config/defconfig', 'defconfig']);
    if (config !== undefined || defconfig === undefined) return;
    const at = placeIn(defconfig, disk.text(defconfig)!);
    project.advice.push({ at, text: `make defconfig is: imgbuild options defconfig ${defconfig}` });
    return;
  }
  if (config === undefined) return;
  const text = disk.text(config)!;
  const args: Record<string, string> = {};
  project.places = {};
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    const [, name, value] = /^(CONFIG_\w+)=(.*)$/.exec(row) ?? [];
    if (name === undefined) continue;
    args[name] = value!;
    project.places[`args.${name}`] = placeIn(config, text, index + 1);
  }
  if (Object.keys(args).length > 0) project.top!['args'] = args;
}

function controlsBelow(disk: Disk, folder: string): string[] {
  const roots = [posix.join(folder, 'package'), posix.join(folder, '../../service_runtime_binary/service_runtime')];
  return roots
    .filter((root) => !root.startsWith('..'))
    .flatMap((root) =>
      disk.folders(root).flatMap((name) => {
        const places = [posix.join(root, name, 'debian/control'), posix.join(root, name, 'control')];
        return places.filter((path) => disk.kind(path) === 'file');
      }),
    );
}
