/**
 * Packing Debian packages, in turn with dpkg-deb and nfpm (built with Go where there is Go): 1 GB of random bytes, in
 * one file and in four; the library of this machine's Python (46,000 files, programs and text) with zstd and with xz; a
 * mix of random bytes and text by `auto`; and peak memory, children included, for packages of 100 MB, 1 GB and 8 GB, of
 * the library, and by xz; 8 GB also under a hard limit of 200 MiB. imgbuild also hashes every file (md5, as nfpm does) and
 * the package (sha256), which the others do not. Before a run there is no package of an earlier one.
 *
 * Wanted: random bytes by auto ≤ 1.3 × dpkg-deb -Zzstd and ≤ 0.5 × nfpm; Python by zstd faster than both at no more
 * bytes, by xz ≤ 1.1 × dpkg-deb -Zxz at ≤ 1 % more bytes; the mix ≥ 5 × faster than dpkg-deb by itself at ≤ 5 % more
 * bytes; peak memory ≤ 150 MiB by auto, zstd and none, of any size, and by xz ≤ dpkg-deb's + 60 MiB.
 *
 * PARTS in the environment ("weights files site site-xz mix memory memory-8 limit") chooses some, WORK another folder than the
 * system's temporary one, which must have room for 20 GB.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { randomFillSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundle } from '../scripts/build.ts';
import { findProgram, installPackages } from '../scripts/support/apt.ts';
import { type Command, type Measured, measure, record } from './measure.ts';
import { peakOfAll, underMemoryLimit } from './support/tree-memory.ts';

const parts = (process.env['PARTS'] ?? 'weights files site site-xz mix memory memory-8 limit').split(' ');
const runs = Number(process.env['RUNS'] ?? 3);
const nfpmModule = 'github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0';

await installPackages(['xz-utils', 'zstd', 'time'], (text) => process.stderr.write(`bench: ${text}\n`));
const work = mkdtempSync(path.join(process.env['WORK'] ?? tmpdir(), 'imgbuild-deb-packing-'));
const out = path.join(work, 'out');

const library = execFileSync('python3', ['-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))'], {
  encoding: 'utf8',
}).trim();

function writeRandom(file: string, bytes: number): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const buffer = Buffer.alloc(4 * 1024 * 1024);
  const descriptor = openSync(file, 'w');
  for (let left = bytes; left > 0; left -= buffer.length) {
    writeSync(descriptor, randomFillSync(buffer), 0, Math.min(left, buffer.length));
  }
  closeSync(descriptor);
}

/** Programs of this machine's Python, again and again. */
function writeText(file: string, bytes: number): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const script = 'for n in 1 2 3 4; do find "$1" -name "*.py" -exec cat {} +; done | head -c "$2" > "$3"';
  execFileSync('sh', ['-c', script, 'sh', library, String(bytes), file], { stdio: ['ignore', 'inherit', 'ignore'] });
}

const withCommands = <T>(subject: Subject, commandsOf: (subject: Subject) => T): [Subject, T] => [
  subject,
  commandsOf(subject),
];

function nfpm(): string | undefined {
  const go = findProgram('go');
  if (go === undefined) return undefined;
  try {
    execFileSync(go, ['install', nfpmModule], { env: { ...process.env, GOBIN: work }, stdio: 'ignore' });
    return path.join(work, 'nfpm');
  } catch {
    return undefined;
  }
}

/** A project of one package that holds `tree`, and the same for dpkg-deb and nfpm. */
class Subject {
  readonly #folder: string;
  readonly #name: string;
  constructor(name: string, fill: (tree: string) => void) {
    this.#name = `bench-${name}`;
    this.#folder = path.join(work, name);
    mkdirSync(path.join(this.#folder, 'docker'), { recursive: true });
    writeFileSync(path.join(this.#folder, 'docker/Dockerfile'), 'FROM scratch\n');
    fill(path.join(this.#folder, 'root/opt/bench'));
    const control = path.join(this.#folder, 'root/DEBIAN/control');
    mkdirSync(path.dirname(control), { recursive: true });
    const fields = ['Version: 1', 'Architecture: all', 'Maintainer: Bench <bench@example.com>', 'Description: bench'];
    writeFileSync(control, `Package: ${this.#name}\n${fields.join('\n')}\n`);
  }

  imgbuild(compression: string): Command {
    writeFileSync(
      path.join(this.#folder, `${compression}.yaml`),
      `version: 1
name: bench
layers: { service: { context: docker, image: bench } }
debs:
  ${this.#name}:
    description: bench
    maintainer: Bench <bench@example.com>
    compression: ${compression}
    contents: [{ src: root/opt/bench, dst: /opt/bench }]
`,
    );
    const file = path.join(out, `imgbuild-${compression}`, `${this.#name}_0.0.0~dev_all.deb`);
    const argv = [process.execPath, path.join(work, 'dist/cli.js'), '-C', this.#folder, '-f', `${compression}.yaml`];
    return this.#command([...argv, 'debs', '-o', path.dirname(file)], file);
  }

  dpkgDeb(compression?: string): Command {
    const file = path.join(out, `dpkg-deb-${compression ?? 'default'}.deb`);
    const how = compression === undefined ? [] : [`-Z${compression}`];
    return this.#command(['dpkg-deb', '--root-owner-group', ...how, '-b', path.join(this.#folder, 'root'), file], file);
  }

  nfpm(program: string, compression: string): Command {
    const file = path.join(out, `nfpm-${compression}.deb`);
    const config = path.join(this.#folder, `nfpm-${compression}.yaml`);
    const tree = path.join(this.#folder, 'root/opt/bench');
    writeFileSync(
      config,
      `name: ${this.#name}
arch: all
version: "1"
maintainer: Bench <bench@example.com>
description: bench
deb: { compression: ${compression} }
contents: [{ src: ${tree}, dst: /opt/bench, type: tree }]
`,
    );
    return this.#command([program, 'package', '-f', config, '-p', 'deb', '-t', file], file);
  }

  /** Bytes of the package that a command has left. */
  size(command: Command): number {
    return statSync(this.#files.get(command)!).size;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
    rmSync(out, { recursive: true, force: true });
  }

  readonly #files = new Map<Command, string>();

  #command(argv: string[], file: string): Command {
    const command: Command = {
      argv,
      // dpkg-deb puts the data there before they go into the package.
      env: { ...process.env, TMPDIR: work },
      before: () => {
        rmSync(file, { force: true });
        mkdirSync(path.dirname(file), { recursive: true });
      },
    };
    this.#files.set(command, file);
    return command;
  }
}

function compare(subject: Subject, commands: Record<string, Command>, count = runs, warmups = 1) {
  const measured = measure(commands, count, warmups);
  const figures: Record<string, Measured & { bytes: number }> = {};
  for (const [name, command] of Object.entries(commands)) {
    figures[name] = { ...measured[name]!, bytes: subject.size(command) };
  }
  const own = figures['imgbuild']!;
  const against = Object.fromEntries(
    Object.entries(figures)
      .filter(([name]) => name !== 'imgbuild')
      .map(([name, { seconds, bytes }]) => [name, { seconds: own.seconds / seconds, bytes: own.bytes / bytes }]),
  );
  return { ...figures, against };
}

const dpkg = execFileSync('dpkg-deb', ['--version'], { encoding: 'utf8' }).split('\n')[0];
const results = path.join(import.meta.dirname, 'results/deb-packing.json');
/** Kept part by part: all of them take long, and those that are not measured now stay as they were. */
const keep = (part: string, found: unknown) => {
  const before = existsSync(results) ? (JSON.parse(readFileSync(results, 'utf8')) as object) : {};
  record('deb-packing', { ...before, runs, dpkg, [part]: found });
};
try {
  await bundle(path.dirname(import.meta.dirname), path.join(work, 'dist'));
  const program = nfpm();
  const peer = (subject: Subject, compression: string): Record<string, Command> =>
    program === undefined ? {} : { nfpm: subject.nfpm(program, compression) };
  keep('nfpm', program === undefined ? 'there is no Go here to build it with' : nfpmModule);

  for (const [part, count] of [
    ['weights', 1],
    ['files', 4],
  ] as const) {
    if (!parts.includes(part)) continue;
    const subject = new Subject(part, (tree) => {
      for (let index = 0; index < count; index++) writeRandom(path.join(tree, `weights-${index}`), 1e9 / count);
    });
    const found = compare(subject, {
      imgbuild: subject.imgbuild('auto'),
      'imgbuild zstd': subject.imgbuild('zstd'),
      'imgbuild none': subject.imgbuild('none'),
      'dpkg-deb -Zzstd': subject.dpkgDeb('zstd'),
      'dpkg-deb -Znone': subject.dpkgDeb('none'),
      ...peer(subject, 'zstd'),
    });
    keep(part, found);
    subject.remove();
  }

  if (parts.includes('site') || parts.includes('site-xz')) {
    const subject = new Subject('site', (tree) => cpSync(library, tree, { recursive: true, verbatimSymlinks: true }));
    if (parts.includes('site')) {
      const found = compare(subject, {
        imgbuild: subject.imgbuild('zstd'),
        'imgbuild auto': subject.imgbuild('auto'),
        'dpkg-deb -Zzstd': subject.dpkgDeb('zstd'),
        ...peer(subject, 'zstd'),
      });
      keep('site', found);
    }
    if (parts.includes('site-xz')) {
      const commands = { imgbuild: subject.imgbuild('xz'), 'dpkg-deb -Zxz': subject.dpkgDeb('xz') };
      keep('site-xz', compare(subject, commands, 1, 0));
    }
    subject.remove();
  }

  if (parts.includes('mix')) {
    const subject = new Subject('mix', (tree) => {
      writeRandom(path.join(tree, 'weights.bin'), 300e6);
      writeText(path.join(tree, 'text'), 100e6);
    });
    const commands = { imgbuild: subject.imgbuild('auto'), 'dpkg-deb': subject.dpkgDeb() };
    keep('mix', compare(subject, commands, 1, 0));
    subject.remove();
  }

  const peaks = async (subject: Subject, commands: Record<string, Command>) => {
    const found: Record<string, number> = {};
    for (const [name, command] of Object.entries(commands)) {
      command.before?.();
      found[name] = Math.round(await peakOfAll(command.argv));
    }
    subject.remove();
    return found;
  };
  const byEach = (subject: Subject) =>
    Object.fromEntries(['auto', 'zstd', 'none'].map((each) => [each, subject.imgbuild(each)]));
  const random = (bytes: number) => new Subject('memory', (tree) => writeRandom(path.join(tree, 'weights'), bytes));
  if (parts.includes('memory')) {
    const text = new Subject('text', (tree) => writeText(path.join(tree, 'text'), 100e6));
    const packed = { ...byEach(text), xz: text.imgbuild('xz'), 'dpkg-deb -Zxz': text.dpkgDeb('xz') };
    const many = new Subject('site', (tree) => cpSync(library, tree, { recursive: true, verbatimSymlinks: true }));
    keep('peakMiB', {
      '100 MB': await peaks(...withCommands(random(1e8), byEach)),
      '1 GB': await peaks(...withCommands(random(1e9), byEach)),
      '100 MB of text': await peaks(text, packed),
      Python: await peaks(...withCommands(many, byEach)),
    });
  }
  if (parts.includes('memory-8')) keep('peakMiB 8 GB', await peaks(...withCommands(random(8e9), byEach)));
  if (parts.includes('limit')) {
    const subject = random(8e9);
    const found: Record<string, string> = {};
    for (const [name, command] of Object.entries(byEach(subject))) {
      command.before?.();
      const code = await underMemoryLimit(200 * 1024 * 1024, command.argv);
      found[name] = code === undefined ? 'this user may set no limit' : code === 0 ? 'packed' : `exit code ${code}`;
      rmSync(out, { recursive: true, force: true });
    }
    keep('8 GB in 200 MiB', found);
    subject.remove();
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
