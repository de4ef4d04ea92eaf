import { posix } from 'node:path';
import type { LocalFiles } from '../local-files.ts';
import { wrong } from '../starlark/source.ts';
import { micromambaImage, type Foundation } from './images.ts';
import { local, readRequirements, relative } from './requirements.ts';
import { literal, quote, runInstruction, scriptInstruction, word, writeFile } from './shell.ts';
import { aptSetup, condaFile, condaSetup, pipSetup, scratch } from './sources.ts';
import type { Collected, Step, Written } from './steps.ts';

/** What a step is written by. */
export interface Setting {
  collected: Collected;
  foundation: Foundation;
  /** The folder that the build sees, relative to the root. */
  context: string;
  files: LocalFiles;
  table: ReadonlyMap<string, string>;
  /** Folders of the image that are surely there; what the steps make is added. */
  folders: Set<string>;
}

/** Where a Python of its own lies: conda's where envd has it, so that paths in scripts stay what they are. */
const venv = '/opt/venv';
const condaEnvironment = '/opt/conda/envs/envd';

/** What a machine lends to a step, where it has it: its certificates, its pip settings, the proxies of its apt. */
const pipMounts = [
  'type=secret,id=ca,target=/run/secrets/ca.pem,required=false',
  'type=secret,id=pipconf,target=/etc/pip.conf,required=false',
];
const aptMounts = ['type=secret,id=aptconf,target=/etc/apt/apt.conf.d/99proxy,required=false'];

/** What apt leaves behind: lists, caches, and logs with the time in them. */
const aptLeavings =
  'rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log';

/** The instructions of a Dockerfile that do what the step says. Throws a Failure where they cannot. */
export function instructionsOf(step: Step, setting: Setting): string[] {
  switch (step.kind) {
    case 'system':
      return [
        aptInstall(
          setting,
          step.packages.map(({ text }) => text),
        ),
      ];
    case 'shell':
      return shellOf(step.name, setting);
    case 'git':
      return [
        aptInstall(
          setting,
          ['git'],
          step.settings.map(([key, value]) => `git config --system ${key} ${word(value)}`),
        ),
      ];
    case 'python':
      return pythonOf(setting);
    case 'pip':
      return [pipInstall(step, setting)];
    case 'conda':
      return [condaInstall(step, setting)];
    case 'r':
      return rOf(step, setting);
    case 'julia':
      return [juliaOf(step.packages, setting)];
    case 'run': {
      const { collected } = setting;
      const mounts = step.mountHost ? [`type=bind,source=.,target=${scratch}/context,rw`] : [];
      const conda = setting.foundation.python.kind === 'conda' ? condaSetup(collected) : [];
      const before = [...aptSetup(collected), ...pipSetup(collected), ...conda];
      const inside = step.mountHost ? [`cd ${scratch}/context`] : [];
      return [scriptInstruction([...mounts, ...pipMounts], [...before, ...inside, ...step.commands])];
    }
    case 'copy':
      return [copyOf(step, setting)];
    case 'http': {
      const folder = '/home/envd/extra_source';
      addFolder(setting.folders, folder);
      const checksum = step.checksum === undefined ? '' : `--checksum=${step.checksum} `;
      return [`ADD ${ownerFlag(setting)}${checksum}${literal(step.url)} ${folder}/${step.filename}`];
    }
    case 'command': {
      const path = `/usr/local/bin/${step.name}`;
      const script = `#!/bin/bash\nset -euo pipefail\n${step.line}`;
      return [runInstruction([], [writeFile(script, path), `chmod 755 ${path}`])];
    }
  }
}

function aptInstall({ collected }: Setting, packages: readonly string[], then: readonly string[] = []): string {
  return runInstruction(aptMounts, [
    ...aptSetup(collected),
    'apt-get update',
    `DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${packages.map(word).join(' ')}`,
    ...then,
    aptLeavings,
  ]);
}

function shellOf(name: string, setting: Setting): string[] {
  if (name === 'bash') return ['ENV SHELL=/bin/bash'];
  return [aptInstall(setting, [name]), `ENV SHELL=/usr/bin/${name}`];
}

function pythonOf(setting: Setting): string[] {
  const { python } = setting.foundation;
  if (python.kind === 'own') return [];
  if (python.kind === 'system') {
    return [
      aptInstall(setting, ['python3', 'python3-venv', 'ca-certificates'], [`python3 -m venv ${venv}`]),
      `ENV PATH=${venv}/bin:$PATH`,
    ];
  }
  const { collected, table } = setting;
  return [
    `COPY --from=${table.get('micromamba') ?? micromambaImage} /bin/micromamba /usr/local/bin/micromamba`,
    aptInstall(setting, ['ca-certificates'], ['ln -s micromamba /usr/local/bin/conda']),
    `ENV MAMBA_ROOT_PREFIX=/opt/conda PATH=${condaEnvironment}/bin:$PATH`,
    runInstruction(
      [],
      [
        ...condaSetup(collected),
        `micromamba create -y -p ${condaEnvironment} ${condaChannels(collected, [])}python=${python.version} pip`,
        'micromamba clean -a -y',
      ],
    ),
  ];
}

/** Without a channel of the file's own, conda-forge. */
function condaChannels({ condaChannel }: Collected, channels: readonly string[]): string {
  const own = condaChannel ? [`--rc-file ${condaFile}`] : ['-c conda-forge'];
  return `${[...channels.map((channel) => `-c ${word(channel)}`), ...own].join(' ')} `;
}

/** `name` may carry options after a space, as in "torch --index-url https://…". */
function requirementWords({ text, span }: Written): string[] {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed.includes('\n')) throw wrong(span, 'this is no package', 'write one package a string');
  const [requirement, ...options] = trimmed.split(/\s+(?=-)/);
  const words = requirement!.startsWith('-') ? requirement!.split(/\s+/) : [requirement!];
  return [...words, ...options.flatMap((option) => option.split(/\s+/))];
}

/** What is built in a folder is written there; it is gone after the step. */
function bindMount(path: string, folder = false): string {
  return `type=bind,source=${path},target=${scratch}/context${path === '.' ? '' : `/${path}`}${folder ? ',rw' : ''}`;
}

function mountable(path: string, { span }: Written): string {
  if (!/[,"\s$\\]/.test(path)) return path;
  throw wrong(span, `the name ${JSON.stringify(path)} has a character that a mount cannot have`, 'rename the file');
}

function pipInstall(step: Step & { kind: 'pip' }, setting: Setting): string {
  const { collected, context, files } = setting;
  const words = step.packages.flatMap(requirementWords).map(word);
  const mounts: string[] = [];
  const before = pipSetup(collected);
  if (step.requirements) {
    const { files: read, fromContext } = readRequirements(step.requirements, context, files);
    for (const path of read) {
      const folder = files.kind(posix.join(context, path)) === 'folder';
      mounts.push(bindMount(mountable(path, step.requirements), folder));
    }
    if (fromContext) before.push(`cd ${scratch}/context`);
    words.push(`-r ${scratch}/context/${read[0]}`);
  }
  for (const wheel of step.wheels) {
    const path = mountable(relative('.', wheel.text, wheel.span), wheel);
    local(path, wheel.span, () => files.kind(posix.join(context, path)));
    mounts.push(bindMount(path));
    words.push(`${scratch}/context/${path}`);
  }
  const install = `python3 -m pip install --no-cache-dir --no-compile ${words.join(' ')}`;
  return runInstruction([...new Set(mounts), ...pipMounts], [...before, install]);
}

function condaInstall(step: Step & { kind: 'conda' }, setting: Setting): string {
  const { collected, context, files } = setting;
  const mounts: string[] = [];
  const words = step.packages.map(({ text }) => word(text.trim()));
  if (step.file) {
    const path = mountable(relative('.', step.file.text, step.file.span), step.file);
    const text = local(path, step.file.span, () => files.read(posix.join(context, path)));
    mounts.push(bindMount(path));
    for (const [, nested] of text.matchAll(/^\s*-\s+['"]?-r\s+([^\s'"]+)/gm)) {
      const written = { text: posix.join(posix.dirname(path), nested!), span: step.file.span };
      for (const each of readRequirements(written, context, files).files)
        mounts.push(bindMount(mountable(each, written)));
    }
    words.push(`-f ${scratch}/context/${path}`);
  }
  return runInstruction(
    [...new Set(mounts), ...pipMounts],
    [
      ...pipSetup(collected),
      ...condaSetup(collected),
      `micromamba install -y -p ${condaEnvironment} ${condaChannels(collected, step.channels)}${words.join(' ')}`,
      'micromamba clean -a -y',
    ],
  );
}

function rOf(step: Step & { kind: 'r' }, setting: Setting): string[] {
  const { packages } = step;
  if (packages.length === 0) return [];
  const mirror = setting.collected.cranMirror?.value;
  if (mirror === undefined) {
    const fix = 'say it: config.cran_mirror(url = "https://…")';
    throw wrong(step.span, 'nothing says where R takes packages from', fix);
  }
  const list = `c(${packages.map((name) => JSON.stringify(name)).join(', ')})`;
  // install.packages only warns of what it could not install.
  const script = `install.packages(${list}, repos = ${JSON.stringify(mirror)}); quit(status = !all(${list} %in% rownames(installed.packages())))`;
  return [runInstruction([], [`Rscript -e ${quote(script)}`])];
}

function juliaOf(packages: readonly string[], { collected }: Setting): string {
  const server = collected.juliaServer ? [`export JULIA_PKG_SERVER=${word(collected.juliaServer.value)}`] : [];
  const names = packages.map((name) => JSON.stringify(name)).join(', ');
  return runInstruction([], [...server, `julia -e ${quote(`import Pkg; Pkg.add([${names}])`)}`]);
}

/** R itself, before the first step that needs it. */
export function installR(setting: Setting): string {
  return aptInstall(setting, ['r-base', 'r-base-dev', 'ca-certificates']);
}

function ownerFlag({ collected: { owner } }: Setting): string {
  return owner ? `--chown=${owner.value.uid}:${owner.value.gid} ` : '';
}

/** As envd copies: a folder goes into a folder that is there, and otherwise becomes what is not. */
function copyOf(step: Step & { kind: 'copy' }, setting: Setting): string {
  const { source, image } = step;
  const { context, files, folders } = setting;
  const flag = ownerFlag(setting);
  const target = posix.normalize(`/${step.target}`);
  if (image !== undefined) {
    addFolder(folders, posix.dirname(target));
    return `COPY --from=${image} ${flag}${literal(source.text)} ${literal(target)}`;
  }
  const path = relative('.', source.text, source.span);
  if (/[*?[]/.test(path)) {
    addFolder(folders, target);
    return `COPY ${flag}${literal(path)} ${literal(withSlash(target))}`;
  }
  const kind = local(path, source.span, () => files.kind(posix.join(context, path)));
  if (kind === 'file') {
    addFolder(folders, target.endsWith('/') ? target : posix.dirname(target));
    return `COPY ${flag}${literal(path)} ${literal(folders.has(trimmed(target)) ? withSlash(target) : target)}`;
  }
  const inside = path !== '.' && folders.has(trimmed(target));
  const folder = inside ? posix.join(target, posix.basename(path)) : target;
  addFolder(folders, folder);
  return `COPY ${flag}${literal(path === '.' ? '.' : `${path}/`)} ${literal(withSlash(folder))}`;
}

const trimmed = (path: string) => path.replace(/(.)\/$/, '$1');
const withSlash = (path: string) => (path.endsWith('/') ? path : `${path}/`);

function addFolder(folders: Set<string>, path: string): void {
  for (let each = trimmed(path); each !== '/'; each = posix.dirname(each)) folders.add(each);
}

/** Folders that every Debian and Ubuntu has. Filesystem Hierarchy Standard 3.0. */
export const standardFolders = (
  '/ /bin /boot /dev /etc /home /lib /media /mnt /opt /proc /root /run /sbin /srv /sys /tmp /usr /usr/bin /usr/games ' +
  '/usr/include /usr/lib /usr/local /usr/local/bin /usr/local/etc /usr/local/games /usr/local/include /usr/local/lib ' +
  '/usr/local/sbin /usr/local/share /usr/local/src /usr/sbin /usr/share /usr/src /var /var/cache /var/lib /var/local ' +
  '/var/log /var/opt /var/spool /var/tmp'
).split(' ');
