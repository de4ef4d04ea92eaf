/**
 * 19 packages as CCAI has them, models of 2 MB to 1.2 GB beside two small ones, 4 GB of files in all: `imgbuild debs` for a
 * first release, for a second one in which a file of one package has changed (40 MB, as many are larger as are smaller),
 * and for a third in which nothing has. All of them go to one folder, as by default, and are kept in the folder store.
 * What models hold does not shrink: these are random bytes, with a description as text beside them.
 *
 * Wanted: the second run in at most 5 % of the time of the first.
 *
 * WORK in the environment names another folder than the system's temporary one, which must have room for 13 GB; SCALE
 * makes all of it smaller (0.1: 400 MB).
 */
import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundle } from '../scripts/build.ts';
import { measure, record } from './measure.ts';

const scale = Number(process.env['SCALE'] ?? 1);
/** Megabytes of files in each package. */
const sizes = [1, 2, 3, 5, 8, 12, 18, 25, 32, 40, 60, 90, 130, 190, 280, 400, 604, 900, 1200];
const changed = 9;

const work = mkdtempSync(path.join(process.env['WORK'] ?? tmpdir(), 'imgbuild-deb-reuse-'));
const project = path.join(work, 'project');

function writeRandom(file: string, bytes: number): void {
  const buffer = Buffer.alloc(4 * 1024 * 1024);
  const descriptor = openSync(file, 'w');
  for (let left = bytes; left > 0; left -= buffer.length) {
    writeSync(descriptor, randomFillSync(buffer), 0, Math.min(left, buffer.length));
  }
  closeSync(descriptor);
}

const folderOf = (index: number) => path.join(project, `models/model-${index}`);
/** Half of it in one file, the rest in three more. */
function writeModel(index: number): void {
  const bytes = Math.round(sizes[index]! * 1e6 * scale);
  mkdirSync(folderOf(index), { recursive: true });
  writeFileSync(
    path.join(folderOf(index), 'model.xml'),
    `<net name="model-${index}">\n${'  <layer/>\n'.repeat(1000)}</net>\n`,
  );
  writeRandom(path.join(folderOf(index), 'model.bin'), Math.floor(bytes / 2));
  for (const part of ['a', 'b', 'c'])
    writeRandom(path.join(folderOf(index), `part-${part}.bin`), Math.floor(bytes / 6));
}

try {
  await bundle(path.dirname(import.meta.dirname), path.join(work, 'dist'));
  for (const index of sizes.keys()) writeModel(index);
  mkdirSync(path.join(project, 'docker'), { recursive: true });
  writeFileSync(path.join(project, 'docker/Dockerfile'), 'FROM scratch\n');
  const debs = sizes.map(
    (_, index) => `  bench-model-${index}:
    description: model ${index}
    maintainer: Bench <bench@example.com>
    contents: [{ src: models/model-${index}, dst: /opt/bench/models/model-${index} }]
`,
  );
  writeFileSync(
    path.join(project, 'imgbuild.yaml'),
    `version: 1\nname: bench\nlayers: { service: { context: docker, image: bench } }\ndebs:\n${debs.join('')}`,
  );
  const git = (...args: string[]) => execFileSync('git', ['-C', project, ...args], { stdio: 'ignore' });
  git('init', '-q', '-b', 'main');
  writeFileSync(path.join(project, '.gitignore'), 'models/\n');
  git('add', '.');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@example.com', 'commit', '-qm', 'models');
  // Sums of files that have just been written are not remembered.
  await sleep(3000);

  const env = { ...process.env, XDG_CACHE_HOME: path.join(work, 'cache') };
  const argv = (version: string) => [
    process.execPath,
    path.join(work, 'dist/cli.js'),
    '-C',
    project,
    'debs',
    '--version',
    version,
  ];
  // What the program itself has compiled is kept by every installation.
  execFileSync(argv('')[0]!, [...argv('').slice(1, 2), '-C', project, 'debs', '--check'], { env, stdio: 'ignore' });
  const once = (version: string) => measure({ run: { argv: argv(version), env } }, 1, 0).run;
  const first = once('1.0.0');
  const file = path.join(folderOf(changed), 'part-b.bin');
  writeRandom(file, Math.floor((sizes[changed]! * 1e6 * scale) / 6));
  utimesSync(file, new Date(), new Date());
  const second = once('1.1.0');
  const third = once('1.2.0');
  record('deb-reuse', {
    packages: sizes.length,
    megabytes: Math.round(sizes.reduce((sum, size) => sum + size, 0) * scale),
    first,
    oneFileChanged: { ...second, megabytes: sizes[changed]! * scale, ofFirst: second.seconds / first.seconds },
    unchanged: { ...third, ofFirst: third.seconds / first.seconds },
  });
} finally {
  rmSync(work, { recursive: true, force: true });
}
