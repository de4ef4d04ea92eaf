/**
 * A tree of OpenPAI with 30 components, each of which copies two folders of 20 files, on one another in three storeys, as it is
 * (`include: { pai: … }`): `import`, which prints what it amounts to, and `plan`, with nothing saved; as processes of their own.
 * `start` is the program alone.
 *
 * Wanted: both together in at most a second. COMPONENTS in the environment sets another number.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { digestOf } from '../src/oci/digest.ts';
import { hostPlatform, platformName } from '../src/oci/platform.ts';
import { measure, record } from './measure.ts';
import { program } from './support/bench-registry.ts';

const components = Number(process.env['COMPONENTS'] ?? 30);
const filesPerFolder = 20;
const work = mkdtempSync(path.join(tmpdir(), 'imgbuild-import-scale-'));

function write(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(work, name)), { recursive: true });
  writeFileSync(path.join(work, name), text);
}

function writeFolder(name: string): void {
  for (let file = 0; file < filesPerFolder; file += 1) write(`${name}/part${file}.py`, `print("${name}")\n`.repeat(8));
}

function writeComponent(name: string, parent: string): void {
  const folder = `pai-management/src/${name}`;
  const entry = (source: string) => `  - src: ../tools/${source}\n    dst: src/${name}/copied_file\n`;
  writeFolder(`tools/${name}`);
  write(`${folder}/image.yaml`, `copy-list:\n${entry(name)}${entry('common')}`);
  write(`${folder}/Dockerfile`, `FROM ${parent}\nCOPY copied_file/ /opt/\nCOPY start.sh /\nCMD ["/start.sh"]\n`);
  write(`${folder}/start.sh`, 'exec sleep 1\n');
}

try {
  write('imgbuild.yaml', 'version: 1\nname: pai\ninclude: { pai: ./pai-management }\n');
  const platforms = { [platformName(hostPlatform())]: { manifest: digestOf('debian'), env: [], onbuild: [] } };
  write('imgbuild.lock', `${JSON.stringify({ base: 'debian:12', from: 'registry', index: null, platforms })}\n`);
  writeFolder('tools/common');
  for (let index = 0; index < components; index += 1) {
    const parent = index === 0 ? 'debian:12' : index < 4 ? 'component0' : `component${1 + (index % 3)}`;
    writeComponent(`component${index}`, parent);
  }
  const git = (...args: string[]) => execFileSync('git', args, { cwd: work });
  git('init', '-q');
  git('add', '-A');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@example.org', 'commit', '-qm', 'all');
  const command = (...args: string[]) => ({ argv: [...program(), ...args], cwd: work });
  const times = measure({ start: command('--version'), import: command('import', '.'), plan: command('plan') }, 7, 2);
  const sum = (key: 'seconds' | 'cpuSeconds') => times.import[key] + times.plan[key];
  record('import-scale', { components, times, both: { seconds: sum('seconds'), cpuSeconds: sum('cpuSeconds') } });
} finally {
  rmSync(work, { recursive: true, force: true });
}
