/**
 * An update of one image on a device, by each of Docker's stores: `imgbuild-ota apply` of a bundle, against `docker load`
 * of the whole new image, and against that with the `docker save` of the old one that an applier has to read.
 *
 * The image has one large filesystem layer of files that do not compress, of which a tenth changed a little, and which
 * all moved to another folder. Wanted: 64 MiB at most beside Docker's own, and no more time than save and load.
 * SIZE (megabytes) and RUNS set others.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { installPackages } from '../scripts/support/apt.ts';
import { tinyBase } from '../scripts/support/base-image.ts';
import { currentEngine, debianEngine, type RunningEngine } from '../scripts/support/engines.ts';
import { buildDeviceProgram, goProgram } from '../scripts/device.ts';
import { makeDelta } from '../src/delta/make.ts';
import { openImages } from '../src/image-source/open.ts';
import { hostPlatform } from '../src/oci/platform.ts';
import { silent } from '../src/progress.ts';
import { noise, sampleTar, writeDockerArchive, type SampleEntry } from '../test/delta/sample-image.ts';
import { measure, record, type Measured } from './measure.ts';

const megabytes = Number(process.env['SIZE'] ?? 400);
const runs = Number(process.env['RUNS'] ?? 3);
const note = (text: string) => process.stderr.write(`bench: ${text}\n`);

const go = await goProgram();
if (go === undefined) throw new Error('this bench needs Go 1.25 or newer');
await installPackages(['time'], note);
const program = await buildDeviceProgram(go, process.arch === 'arm64' ? 'arm64' : 'amd64');
const work = mkdtempSync('/tmp/device-apply-');
const file = (name: string) => path.join(work, name);

/** Files of four megabytes below a folder; those that changed differ in a byte of each 997. */
function release(version: string, folder: string, changed: (at: number) => boolean): void {
  const entries: SampleEntry[] = Array.from({ length: megabytes / 4 }, (_, at) => {
    const bytes = Buffer.from(noise(4_000_000, at));
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
      saveAndLoad: command(
        'sh',
        '-c',
        `docker save bench:1 | sha256sum >${file('sum')} && docker load -i ${file('2.tar')}`,
      ),
    },
    runs,
  );
}

try {
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
  writeFileSync(file('sum'), '');
  const figures: Record<string, unknown> = {};
  for (const [name, start] of Object.entries({ classic: debianEngine, containerd: currentEngine })) {
    const engine = await start({ note });
    try {
      const times = await measured(engine);
      const { apply, ...peers } = times;
      const ratios = Object.entries(peers).map(([peer, { seconds }]) => [peer, apply!.seconds / seconds]);
      figures[name] = { version: engine.version, times, ratios: Object.fromEntries(ratios) };
    } finally {
      await engine.stop();
    }
  }
  record('device-apply', { megabytes, runs, bundleBytes: delta.bytes, ...figures });
} finally {
  rmSync(work, { recursive: true, force: true });
}
