/**
 * An update of one image on a device, by each of Docker's stores: `imgbuild-ota apply` of a bundle, against `docker load`
 * of the whole new image, and against that with the `docker save` of the old one that an applier has to read.
 *
 * The image has one large filesystem layer of files that do not compress, of which a tenth changed a little, and which
 * all moved to another folder. Wanted: 64 MiB at most beside Docker's own, no more time than save and load, and less than
 * load alone. SIZE (megabytes) and RUNS set others.
 *
 * Beside it the decoder alone: what it puts out in a second of a processor, of deltas between two releases of programs and
 * of a tree of Python files. Wanted: 100 MB. PAIRS is a folder to keep these in; PARTS names what is measured of `decoder`,
 * `classic` and `containerd`: the rest stays.
 */
import { execFileSync } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installPackages } from '../scripts/support/apt.ts';
import { tinyBase } from '../scripts/support/base-image.ts';
import { currentEngine, debianEngine, type RunningEngine } from '../scripts/support/engines.ts';
import { buildDeviceProgram, deviceFolder, goEnvironment, goProgram } from '../scripts/device.ts';
import { makeDelta } from '../src/delta/make.ts';
import { openImages } from '../src/image-source/open.ts';
import { hostPlatform } from '../src/oci/platform.ts';
import { silent } from '../src/progress.ts';
import { sampleTar, writeDockerArchive, type SampleEntry } from '../test/delta/sample-image.ts';
import { measure, record, recorded, type Measured } from './measure.ts';
import { pairIn, sources } from './support/delta-pairs.ts';

const megabytes = Number(process.env['SIZE'] ?? 400);
/** Of the pairs of `delta-codec`. */
const decoded = ['cv2', 'esbuild', 'onnxruntime-arm64', 'ruff-arm64', 'transformers'];
const runs = Number(process.env['RUNS'] ?? 3);
const all = ['decoder', 'classic', 'containerd'];
const parts = process.env['PARTS']?.split(',') ?? all;
const note = (text: string) => process.stderr.write(`bench: ${text}\n`);

const go = await goProgram();
if (go === undefined) throw new Error('this bench needs Go 1.25 or newer');
await installPackages(['time'], note);
const program = await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64');
const work = mkdtempSync('/tmp/device-apply-');
const file = (name: string) => path.join(work, name);

/** The same bytes for the same seed. */
function incompressible(size: number, seed: number): Buffer {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(size));
}

/** Files of four megabytes below a folder; those that changed differ in a byte of each 997. */
function release(version: string, folder: string, changed: (at: number) => boolean): void {
  const entries: SampleEntry[] = Array.from({ length: megabytes / 4 }, (_, at) => {
    const bytes = incompressible(4_000_000, at);
    if (changed(at)) for (let each = 0; each < bytes.length; each += 997) bytes[each]! ^= 1;
    return { name: `${folder}/${at}`, bytes };
  });
  const options = { env: [`V=${version}`, 'PATH=/bin'], tags: [`bench:${version}`] };
  writeDockerArchive(file(`${version}.tar`), [base, sampleTar(entries)], options);
}
const base = readFileSync(await tinyBase(note));

async function measured(engine: RunningEngine): Promise<Record<string, Measured>> {
  const docker = (...args: string[]) => execFileSync('docker', args, { env: engine.env, stdio: 'ignore' });
  const onlyOld = () => {
    try {
      docker('rmi', '--force', 'bench:2');
    } catch {
      // It is not there before the first run.
    }
    rmSync(file('state'), { recursive: true, force: true });
    docker('load', '-i', file('1.tar'));
  };
  const options = ['--allow-unsigned', '--state', file('state'), '--docker', engine.env['DOCKER_HOST']!];
  const command = (...argv: string[]) => ({ argv, env: engine.env, before: onlyOld });
  return measure(
    {
      apply: command(program, 'apply', file('delta.ota.tar'), ...options),
      load: command('docker', 'load', '-i', file('2.tar')),
      saveAndLoad: command('sh', '-c', `docker save bench:1 >${file('saved')} && docker load -i ${file('2.tar')}`),
    },
    runs,
  );
}

/** What the decoder puts out in a second of a processor, in MB, and what it has in memory, in MiB, by pair. */
function decoderFigures(): Record<string, { MBps: number; MiB: number }> {
  const pairs = path.resolve(process.env['PAIRS'] ?? path.join(tmpdir(), 'imgbuild-delta-pairs'));
  mkdirSync(pairs, { recursive: true });
  mkdirSync(file('deltas'));
  const encoder = path.join(import.meta.dirname, 'support/delta-process.ts');
  for (const source of sources.filter(({ name }) => decoded.includes(name))) {
    const pair = pairIn(pairs, source);
    const delta = path.join(file('deltas'), source.name);
    execFileSync(process.execPath, [encoder, 'encode', pair.old, pair.text, `${delta}.delta`, '19']);
    copyFileSync(pair.old, `${delta}.old`);
  }
  const bench = ['test', '-run=^$', '-bench=Apply', '-benchtime=3x', '-cpu=1', './internal/delta/filedelta'];
  const env = { ...goEnvironment(), IMGBUILD_DELTAS: file('deltas') };
  const told = execFileSync(go!, bench, { cwd: deviceFolder, env, encoding: 'utf8' });
  rmSync(file('deltas'), { recursive: true });
  const lines = told.matchAll(/^BenchmarkApply\/(\S+)\s.*?([0-9.]+) MB\/s\s+([0-9.]+) MiB/gm);
  return Object.fromEntries(
    [...lines].map(([, name, speed, heap]) => [name, { MBps: Number(speed), MiB: Number(heap) }]),
  );
}

/** An update by each of Docker's stores. */
async function onEngines(keep: (name: string, found: unknown) => void): Promise<void> {
  note('making two releases and the bundle between them');
  release('1', 'app', () => false);
  release('2', 'srv', (at) => at % 10 === 0);
  const open = (name: string) =>
    openImages(`docker-archive:${name}`, {
      directory: work,
      platform: hostPlatform(),
      store: () => Promise.reject(new Error('no release is named here')),
    });
  const [from, to] = [await open('1.tar'), await open('2.tar')];
  const signal = new AbortController().signal;
  const delta = await makeDelta({ from, to, output: file('delta.ota.tar'), name: 'bench', progress: silent, signal });
  await from.close();
  await to.close();
  for (const [name, start] of Object.entries({ classic: debianEngine, containerd: currentEngine })) {
    if (!parts.includes(name)) continue;
    const engine = await start({ note });
    try {
      const times = await measured(engine);
      const { apply, ...peers } = times;
      const ratios = Object.entries(peers).map(([peer, { seconds }]) => [peer, apply!.seconds / seconds]);
      const common = { megabytes, runs, bundleBytes: delta.bytes };
      keep(name, { ...common, version: engine.version, times, ratios: Object.fromEntries(ratios) });
    } finally {
      await engine.stop();
    }
  }
}

try {
  const kept = Object.entries(recorded('device-apply')).filter(([name]) => all.includes(name));
  const figures: Record<string, unknown> = Object.fromEntries(kept);
  const keep = (name: string, found: unknown) => {
    figures[name] = found;
    record('device-apply', figures);
  };
  if (parts.includes('decoder')) keep('decoder', decoderFigures());
  if (parts.includes('classic') || parts.includes('containerd')) await onEngines(keep);
} finally {
  rmSync(work, { recursive: true, force: true });
}
