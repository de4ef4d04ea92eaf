import { wrong, type Span } from '../starlark/source.ts';
import { requireReference } from './images.ts';
import type { Given } from './parameters.ts';
import type { Collected, Said, Step } from './steps.ts';

/** Parameters, and what a call with them adds to what is collected. */
type Function = [signature: string, run: (given: Given, collected: Collected) => void];

/** Of envd's v0 and v1, and of older ones that AIGES documents. By module and name. */
export const functions: Record<string, Function> = {
  shell: [
    'name?',
    (given, { steps }) => {
      const name = given.text('name') || 'bash';
      if (!['bash', 'zsh', 'fish'].includes(name))
        throw wrong(given.spanOf('name'), `there is no shell ${name}`, 'write bash, zsh or fish');
      steps.push({ ...by(given), kind: 'shell', name });
    },
  ],
  run: [
    'commands mount_host?',
    (given, { steps }) => {
      const commands = given.strings('commands').map(({ text }) => text);
      if (commands.length === 0) throw wrong(given.span, 'run has no commands', 'write commands = ["…"]');
      steps.push({ ...by(given), kind: 'run', commands, mountHost: given.flag('mount_host') });
    },
  ],
  git_config: [
    'name? email? editor?',
    (given, { steps }) => {
      const keys = { name: 'user.name', email: 'user.email', editor: 'core.editor' };
      const settings = Object.entries(keys).flatMap(([name, key]): [string, string][] =>
        given.has(name) ? [[key, given.text(name)]] : [],
      );
      if (settings.length > 0) steps.push({ ...by(given), kind: 'git', settings });
    },
  ],
  'install.apt_packages': ['name?', systemPackages],
  'install.system_packages': ['name?', systemPackages],
  'install.python': [
    'version?',
    (given, collected) => {
      collected.python = said(given, given.text('version').replace(/^3$/, ''));
      collected.steps.push({ ...by(given), kind: 'python' });
    },
  ],
  'install.conda': [
    'use_mamba?',
    (given, collected) => {
      given.flag('use_mamba');
      collected.conda = true;
    },
  ],
  'install.python_packages': [
    'name? requirements? local_wheels?',
    (given, { steps }) => {
      const packages = given.strings('name');
      const wheels = given.strings('local_wheels');
      const file = given.written('requirements');
      const requirements = file?.text === '' ? undefined : file;
      requireAny(given, packages.length + wheels.length + (requirements ? 1 : 0));
      steps.push({ ...by(given), kind: 'pip', packages, requirements, wheels });
    },
  ],
  'install.conda_packages': [
    'name? channel? env_file?',
    (given, collected) => {
      const packages = given.strings('name');
      const channels = given.strings('channel').map(({ text }) => text);
      const written = given.written('env_file');
      const file = written?.text === '' ? undefined : written;
      requireAny(given, packages.length + (file ? 1 : 0));
      collected.conda = true;
      collected.steps.push({ ...by(given), kind: 'conda', packages, channels, file });
    },
  ],
  'install.r_lang': ['', (given, { steps }) => void steps.push({ ...by(given), kind: 'r', packages: [] })],
  'install.r_packages': [
    'name',
    (given, { steps }) => {
      steps.push({ ...by(given), kind: 'r', packages: given.strings('name').map(({ text }) => text) });
    },
  ],
  'install.julia_packages': [
    'name',
    (given, { steps }) => {
      steps.push({ ...by(given), kind: 'julia', packages: given.strings('name').map(({ text }) => text) });
    },
  ],
  'install.cuda': [
    'version cudnn?',
    (given, collected) => {
      const cudnn = given.has('cudnn') ? given.text('cudnn') : '8';
      collected.cuda = said(given, { version: given.text('version'), cudnn });
    },
  ],
  'config.apt_source': [
    'source?',
    (given, collected) => void (collected.aptSource = said(given, given.text('source'))),
  ],
  'config.pip_index': [
    'url? extra_url? trust?',
    (given, collected) => {
      const [url, extra, trust] = [given.text('url'), given.text('extra_url'), given.flag('trust')];
      for (const name of ['url', 'extra_url']) refuseSecrets(given.text(name), given.spanOf(name));
      if (url !== '' || extra !== '') collected.pipIndex = said(given, { url, extra, trust });
    },
  ],
  'config.conda_channel': [
    'channel? use_mamba?',
    (given, collected) => {
      given.flag('use_mamba');
      if (given.has('channel')) collected.condaChannel = said(given, given.text('channel'));
    },
  ],
  'config.cran_mirror': ['url?', (given, collected) => void (collected.cranMirror = said(given, given.text('url')))],
  'config.julia_pkg_server': [
    'url?',
    (given, collected) => void (collected.juliaServer = said(given, given.text('url'))),
  ],
  'config.entrypoint': [
    'args',
    (given, collected) => {
      collected.entrypoint = said(
        given,
        given.strings('args').map(({ text }) => text),
      );
    },
  ],
  'config.repo': [
    'url description?',
    (given, { labels }) => {
      labels.push(said(given, ['org.opencontainers.image.url', given.text('url')]));
      if (given.has('description')) {
        labels.push(said(given, ['org.opencontainers.image.description', given.text('description')]));
      }
    },
  ],
  'config.owner': [
    'uid gid',
    (given, collected) => {
      collected.owner = said(given, { uid: given.number('uid') ?? 0, gid: given.number('gid') ?? 0 });
    },
  ],
  'config.gpu': [
    'count?',
    (given, { runOptions }) => {
      const count = given.number('count') ?? -1;
      runOptions.push(said(given, `--gpus=${count < 0 ? 'all' : count}`));
    },
  ],
  'config.shm_size': [
    'size',
    (given, { runOptions }) => void runOptions.push(said(given, `--shm-size=${given.number('size') ?? 0}m`)),
  ],
  'io.copy': [
    'source target image?',
    (given, { steps }) => {
      const source = given.written('source');
      if (!source) throw wrong(given.span, 'io.copy needs a source', 'write source = "…"');
      const image = given.has('image') ? given.text('image') : undefined;
      if (image !== undefined) requireReference(image, given.spanOf('image'));
      steps.push({ ...by(given), kind: 'copy', source, target: given.text('target'), image });
    },
  ],
  'io.http': [
    'url checksum? filename?',
    (given, { steps }) => {
      const url = given.text('url');
      refuseSecrets(url, given.spanOf('url'));
      if (!/^https?:\/\/[^/]+/.test(url))
        throw wrong(given.spanOf('url'), 'this is no http address', 'write https://…');
      const checksum = given.has('checksum') ? given.text('checksum') : undefined;
      if (checksum !== undefined && !/^sha256:[0-9a-f]{64}$/.test(checksum)) {
        throw wrong(given.spanOf('checksum'), 'this is no checksum', 'write sha256: and 64 hex digits');
      }
      const filename = given.text('filename') || (/[^/?#]+(?=[?#]|$)/.exec(new URL(url).pathname)?.[0] ?? '');
      if (!/^[\w.+-]+$/.test(filename)) throw wrong(given.span, 'the file has no name', 'write filename = "…"');
      steps.push({ ...by(given), kind: 'http', url, checksum, filename });
    },
  ],
  'runtime.command': [
    'commands?',
    (given, { steps }) => {
      for (const [key, line] of given.map('commands')) {
        const name = key.trim().replaceAll(/\s+/g, '-');
        if (!/^[\w.+-]+$/.test(name)) {
          throw wrong(
            given.span,
            `${JSON.stringify(key)} cannot be the name of a program`,
            'write letters, digits, - and _',
          );
        }
        steps.push({ ...by(given), kind: 'command', name, line });
      }
    },
  ],
  'runtime.expose': [
    'envd_port host_port? service? listen_addr?',
    (given, { ports, runOptions }) => {
      const port = given.number('envd_port') ?? 0;
      if (port < 1 || port > 65_535) throw wrong(given.spanOf('envd_port'), `${port} is no port`, 'write 1 to 65535');
      ports.push(said(given, port));
      given.text('service');
      const address = given.text('listen_addr');
      const host = given.number('host_port');
      if (host) runOptions.push(said(given, `--publish=${address === '' ? '' : `${address}:`}${host}:${port}`));
      else if (address !== '') runOptions.push(said(given, `--publish=${address}::${port}`));
    },
  ],
  'runtime.daemon': [
    'commands',
    (given, collected) => {
      const commands = [...(collected.daemons?.value ?? []), ...given.lists('commands')];
      collected.daemons = said(given, commands);
    },
  ],
  'runtime.environ': [
    'env? extra_path?',
    (given, { environ, paths }) => {
      for (const [name, value] of given.map('env')) {
        if (!/^[A-Za-z_]\w*$/.test(name))
          throw wrong(given.spanOf('env'), `${JSON.stringify(name)} is no name of a variable`);
        environ.push(said(given, [name, value]));
      }
      for (const { text } of given.strings('extra_path')) paths.push(said(given, text));
    },
  ],
  'runtime.mount': [
    'host_path envd_path',
    (given, { runOptions }) => {
      runOptions.push(said(given, `--volume=${given.text('host_path')}:${given.text('envd_path')}`));
    },
  ],
  'runtime.init': [
    'commands',
    (given, collected) => {
      const commands = given.strings('commands').map(({ text }) => text);
      collected.init = said(given, [...(collected.init?.value ?? []), ...commands]);
    },
  ],
};

function systemPackages(given: Given, { steps }: Collected): void {
  const packages = given.strings('name');
  requireAny(given, packages.length);
  for (const { text, span } of packages) {
    if (!/^[a-z0-9][a-z0-9+.:_-]*(?:[=/][\w.+:~-]+)?$/i.test(text)) {
      throw wrong(span, `${JSON.stringify(text)} is no name of a package`, 'write NAME or NAME=VERSION, one a string');
    }
  }
  steps.push({ ...by(given), kind: 'system', packages });
}

function by({ call, span }: Given): Pick<Step, 'call' | 'span'> {
  return { call, span };
}

function said<T>({ call, span }: Given, value: T): Said<T> {
  return { value, call, span };
}

function requireAny({ call, span }: Given, count: number): void {
  if (count === 0) throw wrong(span, `${call} installs nothing`, 'name packages, or take the call out');
}

/** A URL that the image's history would show for ever. */
function refuseSecrets(url: string, span: Span): void {
  if (!/^[a-z+]+:\/\/[^/@\s]*:[^/@\s]+@/i.test(url)) return;
  const fix =
    'leave it out here, and give a pip.conf as a secret of the layer: secrets: [{ id: pipconf, file: pip.conf }]';
  throw wrong(span, 'this address has a password in it, which the history of the image would show', fix);
}
