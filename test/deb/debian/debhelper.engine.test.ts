import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { installPackages } from '../../../scripts/support/apt.ts';
import { pack } from '../support/pack.ts';
import { modelsFolder, monitorFolder, writeFiles } from '../support/debian-folder.ts';
import { makeProject } from '../support/project.ts';

beforeAll(() => installPackages(['debhelper', 'dpkg-dev', 'make'], () => {}));

const environment = { ...process.env, LC_ALL: 'C', TZ: 'UTC', SOURCE_DATE_EPOCH: '1600000000' };
const shell = (script: string, ...args: string[]) =>
  execFileSync('sh', ['-c', script, 'sh', ...args], { encoding: 'utf8', env: environment });

/** debhelper of Debian 12 puts units into /lib, which is a link to where imgbuild and newer ones put them. */
const whereUnitsAre = (line: string) =>
  line.replace(/( (?:\.\/)?)lib\/(systemd\/|$)/, '$1usr/lib/$2').replace(/ \.\/lib\/$/, ' ./usr/lib/');

/** What of a package must be the same, whoever made it. */
function lookAt(file: string) {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-look-'));
  execFileSync('dpkg-deb', ['-R', file, folder]);
  const member = (name: string) => {
    try {
      return readFileSync(join(folder, 'DEBIAN', name), 'utf8');
    } catch {
      return '';
    }
  };
  const files = shell('dpkg-deb --fsys-tarfile "$1" | tar -tv --full-time', file)
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d/, '').replaceAll(/\s+/g, ' '))
    // What imgbuild tells lintian about /opt is an addition.
    .filter((line) => !/ \.\/usr\/share\/lintian\//.test(line))
    // Compressed texts have the size that their compressor gives them; debhelper compresses none that are small.
    .map((line) => line.replace(/ \d+ (\S+\.gz)$/, ' - $1'))
    .map(whereUnitsAre)
    // dpkg-deb puts links last.
    .filter((line, index, all) => all.indexOf(line) === index)
    .toSorted();
  return {
    control: member('control').replace(/^Installed-Size: .*\n/m, ''),
    conffiles: member('conffiles').split('\n').toSorted(),
    md5sums: member('md5sums')
      .split('\n')
      .map(whereUnitsAre)
      .filter((line) => !/\.gz$| usr\/share\/lintian\//.test(line))
      .toSorted(),
    triggers: member('triggers').replaceAll(/^#.*\n/gm, ''),
    scripts: Object.fromEntries(
      ['preinst', 'postinst', 'prerm', 'postrm'].map((name) => [name, piecesOf(member(name))]),
    ),
    files,
  };
}

/**
 * The pieces of a script, without comments and indentation, which say nothing to dpkg, and each for one unit: whether
 * two units are treated by one piece or by two, and in which order, makes no difference to either.
 */
function piecesOf(script: string): string[] {
  const rows = script.split('\n').filter((row) => row.trim() !== '' && !/^\s*#(?!!)/.test(row));
  const pieces: string[] = [];
  let open: string[] = [];
  for (const row of rows) {
    open.push(row.trim());
    if (open[0]!.startsWith('if ') && row !== 'fi') continue;
    pieces.push(...perUnit(open.join('\n')));
    open = [];
  }
  return [...new Set([...pieces, ...open])].toSorted();
}

function perUnit(piece: string): string[] {
  const units = /'[^' ]+\.service'(?: '[^' ]+\.service')+/.exec(piece)?.[0];
  return units === undefined ? [piece] : units.split(' ').map((unit) => piece.replaceAll(units, unit));
}

/** The packages that debhelper makes of a folder; below it, with their file names. */
function buildByDebhelper(tree: string): string {
  const work = mkdtempSync(join(tmpdir(), 'imgbuild-debhelper-'));
  cpSync(tree, join(work, 'source'), { recursive: true });
  execFileSync('dpkg-buildpackage', ['--build=binary', '--no-sign', '-d'], {
    cwd: join(work, 'source'),
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return work;
}

test.each([
  '',
  '--no-start',
  '--no-enable',
  '--no-enable --no-start',
  '--no-stop-on-upgrade',
  '--no-restart-after-upgrade',
  '--no-restart-after-upgrade --no-stop-on-upgrade',
  '--no-start --no-restart-after-upgrade',
  '--restart-after-upgrade --no-start',
])('units are started as by dh_installsystemd %s', async (options) => {
  const config = makeProject({ all: { from: 'debian' } });
  writeFiles(config.root, {
    'debian/control': monitorFolder['debian/control']!.replace(/\nPackage: health-monitor-doc[^]*/, '\n'),
    'debian/changelog': monitorFolder['debian/changelog']!,
    'debian/rules': `#!/usr/bin/make -f\n%:\n\tdh $@\n\noverride_dh_installsystemd:\n\tdh_installsystemd ${options}\n`,
    'debian/health-monitor.service': monitorFolder['debian/health-monitor.service']!,
    'debian/health-monitor.timer': '[Unit]\nDescription=often\n[Timer]\nOnBootSec=1\n',
    'debian/health-monitor@.service': monitorFolder['debian/health-monitor.health-helper.service']!,
  });
  const [ours] = await pack(config);
  const work = buildByDebhelper(config.root);
  expect(lookAt(ours!.file).scripts).toEqual(lookAt(join(work, basename(ours!.file))).scripts);
});

describe.each([
  ['of models', 'package/models/debian', modelsFolder],
  ['with units, users, links and scripts', 'debian', monitorFolder],
])('a debian/ folder %s', (_, folder, files) => {
  test('gives the packages that debhelper makes of it', async () => {
    const config = makeProject({ all: { from: folder } });
    writeFiles(config.root, files);
    const work = buildByDebhelper(join(config.root, dirname(folder)));
    const theirs = readdirSync(work).filter((name) => name.endsWith('.deb'));
    const ours = await pack(config);
    expect(ours.map(({ file }) => basename(file)).toSorted()).toEqual(theirs.toSorted());
    for (const { file } of ours) {
      expect(lookAt(file)).toEqual(lookAt(join(work, basename(file))));
    }
  });
});

test('rules that build something run dpkg-buildpackage, in a copy, with the packages and the version that are asked for', async () => {
  const config = makeProject({ models: { from: 'package/models/debian', version: '${version}-1' } });
  writeFiles(config.root, modelsFolder);
  const rules = 'package/models/debian/rules';
  writeFiles(config.root, {
    [rules]: modelsFolder[rules]!.replace(
      'auto_build:\n',
      'auto_build:\n\techo "<net made=here/>" > models/ocr/made.xml\n',
    ),
    'package/models/debian/service-runtime-models-ocr.install': 'models/ocr/made.xml opt/models\n',
  });
  const deeplab = 'service-runtime-models-deeplab';
  const choice = { on: [deeplab], off: ['service-runtime-models-tts'] };
  const before = readdirSync(config.root, { recursive: true }).toSorted();
  const packed = await pack(config, { choice });
  expect(packed.map(({ file }) => basename(file))).toEqual([
    'service-runtime-models-deeplab_1.2.0-1_all.deb',
    'service-runtime-models-ocr_1.2.0-1_all.deb',
  ]);
  const root = mkdtempSync(join(tmpdir(), 'imgbuild-built-'));
  for (const { file, sha256 } of packed) {
    expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(sha256);
    execFileSync('dpkg-deb', ['-x', file, root]);
  }
  expect(readFileSync(join(root, 'opt/models/made.xml'), 'utf8')).toBe('<net made=here/>\n');
  expect(readFileSync(join(root, 'opt/intel/service_runtime/models/deeplab.bin'), 'utf8')).toBe('deeplab\n');
  const isState = (path: string | Buffer) => /^\.imgbuild(?:\/(?:debian|\.gitignore))?$/.test(String(path));
  const after = readdirSync(config.root, { recursive: true }).filter((path) => !isState(path));
  expect(after.toSorted(), 'nothing is left in the tree').toEqual(before);
  expect((await pack(config, { choice })).map(({ sha256 }) => sha256)).toEqual(packed.map(({ sha256 }) => sha256));
});

test('rules that fail are told with the last lines of dpkg-buildpackage, and leave nothing', async () => {
  const config = makeProject({ models: { from: 'package/models/debian' } });
  writeFiles(config.root, modelsFolder);
  const rules = 'package/models/debian/rules';
  writeFiles(config.root, { [rules]: modelsFolder[rules]!.replace('auto_build:\n', 'auto_build:\n\tfalse\n') });
  const directory = mkdtempSync(join(tmpdir(), 'imgbuild-failed-'));
  await expect(pack(config, { directory })).rejects.toMatchObject({
    doing: 'building the packages of package/models/debian',
    because: expect.stringMatching(/exits with 2: .*Error 1/s),
  });
  expect(readdirSync(directory)).toEqual([]);
  expect(readdirSync(join(config.root, '.imgbuild/debian'))).toEqual([]);
});
