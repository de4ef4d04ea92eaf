import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import type { PackedDeb } from '../../src/deb/pack-debs.ts';
import { pack } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

beforeAll(() =>
  installPackages(['python3-debian', 'libarchive-tools', 'debsums', 'binutils', 'zstd', 'xz-utils'], () => {}),
);

/** The system's own Python, which has the system's modules. */
const systemPython = '/usr/bin/python3';
const python = (program: string, script: string, ...args: string[]) =>
  execFileSync(program, ['-c', script, ...args], { encoding: 'utf8' });

/** A Python whose python-debian knows zstd inside of packages; undefined where it is not to be had. */
function pythonForZstd(): string | undefined {
  const version = python(systemPython, 'import debian; print(debian.__version__)');
  if (/^(?:0\.1\.[5-9]\d|[1-9])/.test(version)) return systemPython;
  const folder = join(import.meta.dirname, '../../.tools/python-debian');
  const own = join(folder, 'bin/python');
  const wanted = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'python-debian==1.1.1'];
  const isThere = existsSync(own) || spawnSync(systemPython, ['-m', 'venv', folder]).status === 0;
  return isThere && spawnSync(own, wanted).status === 0 ? own : undefined;
}
const long = `${'deep/'.repeat(55)}${'n'.repeat(25)}`;
const files: Record<string, string> = {
  'data/plain.txt': 'hello\n',
  'data/with space': 'x',
  'data/ünïcode/naïve.txt': 'y',
  'data/line': 'text\n'.repeat(1000),
  [`data/${long}`]: '300 bytes of path',
};
const compressions = ['auto', 'zstd', 'xz', 'gzip', 'none'];
let packed: PackedDeb[];

beforeAll(async () => {
  const debs = compressions.map((compression) => [
    `ccai-${compression}`,
    deb({
      compression,
      depends: ['libc6 (>= 2.30) | musl', 'ccai-base'],
      description: 'files\nMore of them.\n\nThe end.',
      contents: [{ src: 'data', dst: `/usr/share/${compression}` }],
    }),
  ]);
  const config = makeProject(Object.fromEntries(debs), files);
  chmodSync(join(config.root, 'data/line'), 0o4755);
  symlinkSync('plain.txt', join(config.root, 'data/link'));
  packed = await pack(config);
});

const of = (compression: string) => packed.find(({ name }) => name === `ccai-${compression}`)!.file;

describe.each(compressions)('a package with %s is read', (compression) => {
  test('by python-debian: fields, scripts, sums and files', { timeout: 180_000 }, ({ skip }) => {
    const program = compression === 'zstd' ? pythonForZstd() : systemPython;
    if (program === undefined) skip('needs Python 3 with venv and PyPI, for a python-debian that knows zstd');
    const script = `
import sys, json
from debian.debfile import DebFile
from debian.deb822 import Packages
deb = DebFile(sys.argv[1])
control = Packages(deb.control.get_content('control', encoding='utf-8'))
data = deb.data
print(json.dumps({
  'package': control['Package'], 'relations': control.relations['depends'],
  'description': control['Description'],
  'sums': list(deb.md5sums(encoding='utf-8')),
  'text': data.get_content('usr/share/${compression}/ünïcode/naïve.txt').decode(),
}))`;
    const read = JSON.parse(python(program!, script, of(compression))) as {
      package: string;
      relations: { name: string }[][];
      description: string;
      sums: string[];
      text: string;
    };
    expect(read).toMatchObject({ package: `ccai-${compression}`, text: 'y' });
    expect(read.relations.map((each) => each.map(({ name }) => name))).toEqual([['libc6', 'musl'], ['ccai-base']]);
    expect(read.description).toBe('files\n More of them.\n .\n The end.');
    expect(read.sums).toContain(`usr/share/${compression}/${long}`);
  });

  test('by bsdtar, which takes the package apart and its data, too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'imgbuild-bsdtar-'));
    execFileSync('bsdtar', ['-xf', of(compression), '-C', folder]);
    const members = execFileSync('ls', [folder], { encoding: 'utf8' }).trim().split('\n');
    expect(members).toHaveLength(3);
    const data = members.find((name) => name.startsWith('data'))!;
    execFileSync('bsdtar', ['-xf', join(folder, data), '-C', folder]);
    for (const [path, text] of Object.entries(files)) {
      expect(readFileSync(join(folder, 'usr/share', compression, path.slice(5)), 'utf8'), path).toBe(text);
    }
  });

  test('by debsums, which finds all as it was packed, and what has changed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'imgbuild-debsums-'));
    const database = join(folder, 'var/lib/dpkg');
    mkdirSync(join(database, 'info'), { recursive: true });
    mkdirSync(join(database, 'updates'));
    writeFileSync(join(database, 'status'), '');
    execFileSync('dpkg', [`--root=${folder}`, '--force-depends', '--log=/dev/null', '-i', of(compression)], {
      stdio: 'pipe',
    });
    const script = 'debsums --silent --root="$1" "$2" 2>&1 || echo "exit $?"';
    const debsums = () => execFileSync('sh', ['-c', script, 'sh', folder, `ccai-${compression}`], { encoding: 'utf8' });
    expect(debsums()).toBe('');
    execFileSync('sh', ['-c', 'echo more >>"$1"', 'sh', join(folder, 'usr/share', compression, 'plain.txt')]);
    expect(debsums()).toMatch(/plain\.txt[^]*exit 2/);
  });
});
