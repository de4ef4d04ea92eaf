/**
 * `npm run demo`: the main job, end to end, on real engines. A three-layer AI service is planned, built, released,
 * changed by one line, rebuilt only where it changed, packed as debs and sent to a "device" as a delta that the
 * device's own Docker loads. `-- --keep` leaves everything to play with.
 */
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure } from '../src/failure.ts';
import { hostPlatform } from '../src/oci/platform.ts';
import { run } from '../src/process/run.ts';
import { renderError, styleFor } from '../src/report/failure.ts';
import { formatBytes, formatSeconds } from '../src/report/progress.ts';
import { distribution, installed } from './support/apt.ts';
import { baseImage, writeBaseLayout } from './support/base-image.ts';
import { currentEngine, debianEngine, EngineUnavailable, type RunningEngine, toolsFolder } from './support/engines.ts';

const root = path.resolve(import.meta.dirname, '..');
const cli = path.join(root, 'dist/cli.js');
const keep = process.argv.includes('--keep');
const style = styleFor(process.stdout, process.env);
const started = Date.now();
const running: { stop(): Promise<void> }[] = [];
let stopped = false;
const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-demo-'));
const project = path.join(work, 'ccai');
const state = path.join(work, 'device-state');

const say = (text: string) => process.stdout.write(`${text}\n`);
let chapters = 0;
function chapter(title: string): void {
  chapters += 1;
  say(`\n${style.bold(`${chapters}. ${title}`)} ${style.dim(`(${formatSeconds((Date.now() - started) / 1000)})`)}`);
}

/** Runs imgbuild as a user would, shows the command and its output, and returns standard output. */
async function imgbuild(
  args: string[],
  engine: RunningEngine | undefined,
  env: Record<string, string> = {},
): Promise<string> {
  say(style.dim(`$ ${[...Object.entries(env).map(([name]) => `${name}=…`), 'imgbuild', ...args].join(' ')}`));
  // What the steps themselves print (apt, pip) is left out here; a step that fails shows its last output.
  const show = (line: string) => (/│ {3}/.test(line) ? undefined : say(`  ${line}`));
  let stdout = '';
  const { exitCode } = await run(process.execPath, [cli, '-C', project, ...args], {
    env: { ...(engine?.env ?? process.env), ...env },
    onStderrLine: show,
    onStdoutLine: (line) => {
      stdout += `${line}\n`;
      if (!args.includes('--json')) show(line);
    },
  });
  if (exitCode !== 0) {
    throw new Failure({
      doing: `running \`imgbuild ${args[0]}\` for the demo`,
      because: `it ended with exit code ${exitCode}; its own message stands above`,
      fix: 'mend that, and run the demo again: it goes on with what it has fetched',
    });
  }
  return stdout;
}

/** How many layers the next release will build and reuse, as the plan says. */
async function planned(engine: RunningEngine): Promise<string> {
  const { stdout } = await run(process.execPath, [cli, '-C', project, 'plan', '--json'], { env: engine.env });
  const { layers } = JSON.parse(stdout.toString('utf8')) as { layers: { action: 'build' | 'reuse' }[] };
  const count = (action: string) => layers.filter((layer) => layer.action === action).length;
  return `${count('build')} built, ${count('reuse')} reused`;
}

async function docker(engine: RunningEngine, args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run('docker', args, { env: engine.env });
  if (exitCode !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr.trim()}`);
  return stdout.toString('utf8').trim();
}

/** The engine that builds: a current one where it can be had, else the distribution's own. */
async function buildEngine(): Promise<RunningEngine> {
  const note = (text: string) => say(`  ${text}`);
  try {
    return await currentEngine({ note, keep });
  } catch (error) {
    if (!(error instanceof EngineUnavailable)) throw error;
    say(`  skipped: a current Docker with buildx: ${error.because}`);
    return debianEngine({ note, keep });
  }
}

/** Starts the service's image on the device, asks it once, and stops it. */
async function ask(device: RunningEngine, image: string, text: string): Promise<string> {
  const id = await docker(device, ['run', '--detach', image]);
  try {
    const address = await docker(device, [
      'inspect',
      '--format',
      '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
      id,
    ]);
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const response = await fetch(`http://${address}:8080/v1/mood`, {
        method: 'POST',
        body: JSON.stringify({ text }),
      }).catch(() => undefined);
      if (response) return (await response.text()).trim();
      await sleep(100);
    }
    throw new Error(`the service does not answer: ${await docker(device, ['logs', id])}`);
  } finally {
    await docker(device, ['rm', '--force', id]);
  }
}

interface ReleaseJson {
  images: { digest: string }[];
}

async function main(): Promise<void> {
  const { id, codename, pretty } = await distribution();
  say(style.bold('imgbuild demo: a layered AI service, from Dockerfiles to a device'));
  say(
    `On ${pretty}. Needs root and the network; installs what is missing by apt-get (iptables, debootstrap) and removes`,
  );
  say(
    `nothing for it, downloads a current Docker into .tools, and starts two Docker engines of its own with data of their`,
  );
  say(`own: yours is not touched. Minutes the first time, about 1 GB of disk; a minute or two from then on.`);

  chapter('Two engines: one builds, one is the device');
  const builder = await buildEngine();
  running.push(builder);
  say(
    `  builder: Docker ${builder.version}${builder.buildx ? `, buildx ${builder.buildx}` : ''} (${builder.kind} store)`,
  );
  const device = await debianEngine({ note: (text) => say(`  ${text}`), keep });
  running.push(device);
  say(`  device:  Docker ${device.version} (${device.kind} store)`);

  chapter(`The base: a minimal ${id} ${codename} as an OCI layout`);
  cpSync(path.join(root, 'examples/ccai'), project, { recursive: true });
  const reference = id === 'debian' ? 'debian:12' : `${id}:${codename}`;
  for (const file of ['docker/base/Dockerfile', 'imgbuild.yaml']) {
    const text = readFileSync(path.join(project, file), 'utf8');
    writeFileSync(path.join(project, file), text.replaceAll('debian:12', reference));
  }
  const rootfs = await baseImage(undefined, (text) => say(`  ${text}`));
  await writeBaseLayout(rootfs, path.join(project, 'bases/debian'), { reference, platform: hostPlatform() });
  await imgbuild(['lock'], builder);

  chapter('Release 1.0.0: every layer is new');
  await imgbuild(['plan'], builder);
  const first = await planned(builder);
  await imgbuild(['release', '--version', '1.0.0'], builder);

  chapter('The device gets 1.0.0, once, in full');
  await imgbuild(['build', '--load', 'service'], device);
  const text = 'This service is great, I love it!';
  say(`  the device answers ${JSON.stringify(text)}: ${await ask(device, 'service_runtime', text)}`);

  chapter('One line of the service is edited; the builder forgets all it had');
  const app = path.join(project, 'docker/service/app.py');
  const before = readFileSync(app, 'utf8');
  const after = before.replace('LABELS = ["sad", "happy"]', 'LABELS = ["negative", "positive"]');
  if (after === before) throw new Error('the line to edit is not in app.py');
  writeFileSync(app, after);
  say('  app.py: LABELS = ["sad", "happy"] → ["negative", "positive"]');
  await docker(builder, ['system', 'prune', '--all', '--force', '--volumes']);
  if (builder.buildx) await docker(builder, ['buildx', 'prune', '--all', '--force']);
  await imgbuild(['plan'], builder);
  const second = await planned(builder);

  chapter('Release 1.1.0: one layer of three is built, on saved parents');
  const begun = Date.now();
  await imgbuild(['release', '--version', '1.1.0'], builder);
  const releaseSeconds = (Date.now() - begun) / 1000;

  chapter('A signed delta from 1.0.0 to 1.1.0, loaded by the device');
  const { generateSigningKey } = await import('../src/signing/generate-key.ts');
  const keys = await generateSigningKey('imgbuild demo <demo@example.com>');
  const keyFile = path.join(work, 'demo-key.asc');
  const keyring = path.join(work, 'demo-key.pub.asc');
  writeFileSync(keyFile, keys.privateKey, { mode: 0o600 });
  writeFileSync(keyring, keys.publicKey);
  const delta = path.join(work, 'ccai_1.0.0_1.1.0.ota.tar');
  await imgbuild(['ota', 'diff', '1.0.0', '1.1.0', '-o', delta, '--sign-key', keyFile], builder);
  await imgbuild(['ota', 'apply', delta, '--keyring', keyring, '--state', state], device);
  say(`  the device answers ${JSON.stringify(text)}: ${await ask(device, 'service_runtime:1.1.0', text)}`);

  const released = path.join(project, '.imgbuild/release/1.1.0');
  const [whole, changed] = pullSizes(project);
  const deltaSize = statSync(delta).size;
  say(`\n${style.bold('Summary')}`);
  say(
    `  time            ${formatSeconds((Date.now() - started) / 1000)} in all; release 1.1.0 took ${formatSeconds(releaseSeconds)}`,
  );
  say(`  layers          1.0.0: ${first}; 1.1.0: ${second}`);
  say(
    `  to the device   ${formatBytes(deltaSize)} as a delta; ${formatBytes(changed)} as a pull onto 1.0.0; ${formatBytes(whole)} as a full pull`,
  );
  say(
    `  packages        ${readdirSync(released)
      .filter((file) => file.endsWith('.deb'))
      .join(', ')}`,
  );
}

/** The bytes that `docker pull` of 1.1.0 moves: to an empty device, and to one that has 1.0.0. Compressed, as stored. */
function pullSizes(folder: string): [whole: number, changed: number] {
  const manifestOf = (version: string) => {
    const release = JSON.parse(
      readFileSync(path.join(folder, '.imgbuild/release', version, 'release.json'), 'utf8'),
    ) as ReleaseJson;
    const blob = path.join(folder, '.imgbuild/store/blobs/sha256', release.images[0]!.digest.replace('sha256:', ''));
    return JSON.parse(readFileSync(blob, 'utf8')) as {
      config: { size: number };
      layers: { digest: string; size: number }[];
    };
  };
  const [before, after] = [manifestOf('1.0.0'), manifestOf('1.1.0')];
  const known = new Set(before.layers.map((layer) => layer.digest));
  const sum = (layers: { size: number }[]) => layers.reduce((total, layer) => total + layer.size, after.config.size);
  return [sum(after.layers), sum(after.layers.filter((layer) => !known.has(layer.digest)))];
}

async function cleanUp(): Promise<void> {
  if (keep) {
    say(`\nKept, until you remove it: ${work}`);
    for (const engine of running as RunningEngine[]) say(`  DOCKER_HOST=unix://${engine.socket}`);
    return;
  }
  for (const engine of running.toReversed()) await engine.stop();
  rmSync(work, { recursive: true, force: true });
  say(
    `  stays           ${path.relative(process.cwd(), toolsFolder) || '.'}, for the next time (remove it at any time)`,
  );
  if (installed.length > 0) say(`                  from apt-get: ${installed.join(', ')}`);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopped = true;
    void cleanUp().finally(() => process.exit(130));
  });
}
try {
  if (!existsSync(cli)) throw new Error('dist/cli.js is missing: run `npm run build`');
  await main();
} catch (error) {
  // Of Ctrl-C imgbuild itself has told, and the handler above cleans up.
  if (!stopped) process.stderr.write(`${renderError(error, style)}\n`);
  process.exitCode = 1;
} finally {
  if (!stopped) await cleanUp();
}
