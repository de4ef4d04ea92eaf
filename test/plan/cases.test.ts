import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Plan } from '../../src/plan/plan.ts';
import { chain, git, newRepository, outcomes, plan, saveAll, writeTree } from './saved-project.ts';

const allReused = ['base reuse', 'engine reuse', 'service reuse'];

async function saved(tree = chain): Promise<string> {
  const folder = newRepository(tree);
  await saveAll(folder);
  return folder;
}

function edit(folder: string, file: string, change: (text: string) => string): void {
  const full = path.join(folder, file);
  writeFileSync(full, change(readFileSync(full, 'utf8')));
}

const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts');
const nobody = { uid: 65534, gid: 65534 };
/** Only root can be another user, who must be able to read this checkout. */
const anotherUser =
  process.getuid?.() === 0 &&
  spawnSync(process.execPath, [main, '--version'], { ...nobody, cwd: '/', env: {} }).status === 0;

function outcomesAs(user: typeof nobody, folder: string): string[] {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
  const told = execFileSync(process.execPath, [main, '-C', folder, 'plan', '--frozen', '--json'], {
    ...user,
    cwd: '/',
    env,
    encoding: 'utf8',
  });
  const { layers } = JSON.parse(told) as Plan;
  return layers.map(({ name, action }) => `${name} ${action}`);
}

describe('what changes nothing is reused', () => {
  test('an unchanged tree', async () => expect(await outcomes(await saved())).toEqual(allReused));

  test('a file that no Dockerfile copies', async () => {
    const folder = await saved();
    writeTree(folder, { 'docker/service/notes.txt': 'x', 'README.md': 'other', 'docker/engine/new/file': 'y' });
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('a comment in a Dockerfile, a blank line, another line break inside an instruction', async () => {
    const folder = await saved();
    edit(
      folder,
      'docker/engine/Dockerfile',
      (text) => `# why\n${text.replace('RUN install', '\nRUN \\\n  # how\n  install')}`,
    );
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('touch', async () => {
    const folder = await saved();
    utimesSync(path.join(folder, 'docker/service/app.py'), new Date(), new Date(Date.now() + 60_000));
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test.skipIf(!anotherUser)("another user: root on somebody's tree, somebody on root's", async () => {
    const folder = await saved();
    // Somebody may go through the folders of the tests.
    for (const above of [tmpdir(), folder]) chmodSync(above, 0o755);
    expect(outcomesAs(nobody, folder)).toEqual(allReused);
    execFileSync('chown', ['-R', `${nobody.uid}:${nobody.gid}`, folder]);
    expect(outcomesAs({ uid: 0, gid: 0 }, folder)).toEqual(allReused);
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('another clone path', async () => {
    const folder = await saved();
    const other = path.join(mkdtempSync(path.join(tmpdir(), 'imgbuild-clone-')), 'other name');
    git(folder, 'clone', '-q', folder, other);
    cpSync(path.join(folder, '.imgbuild'), path.join(other, '.imgbuild'), { recursive: true });
    expect(await outcomes(other)).toEqual(allReused);
  });

  test('a shallow clone', async () => {
    const folder = await saved();
    git(folder, 'commit', '-q', '--allow-empty', '-m', 'second');
    const other = mkdtempSync(path.join(tmpdir(), 'imgbuild-shallow-'));
    git(folder, 'clone', '-q', '--depth', '1', `file://${folder}`, path.join(other, 'c'));
    cpSync(path.join(folder, '.imgbuild'), path.join(other, 'c/.imgbuild'), { recursive: true });
    expect(await outcomes(path.join(other, 'c'))).toEqual(allReused);
  });

  test('no .git', async () => {
    const folder = await saved();
    rmSync(path.join(folder, '.git'), { recursive: true });
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('umask 077', async () => {
    const folder = await saved();
    const other = mkdtempSync(path.join(tmpdir(), 'imgbuild-umask-'));
    execFileSync('sh', ['-c', 'umask 077 && git clone -q "$1" "$2"', 'sh', folder, path.join(other, 'c')]);
    cpSync(path.join(folder, '.imgbuild'), path.join(other, 'c/.imgbuild'), { recursive: true });
    expect(await outcomes(path.join(other, 'c'))).toEqual(allReused);
  });

  test('a history that was written anew', async () => {
    const folder = await saved();
    git(folder, 'commit', '-q', '--amend', '-m', 'another message', '--date', '2001-01-01T00:00:00');
    expect(await outcomes(folder)).toEqual(allReused);
  });
});

describe('what changes is built, and what stands on it', () => {
  test('CCAI example 2: only the service changed', async () => {
    const folder = await saved();
    appendFileSync(path.join(folder, 'docker/service/app.py'), '# more\n');
    expect(await outcomes(folder)).toEqual([
      'base reuse',
      'engine reuse',
      'service build: file-changed docker/service/app.py',
    ]);
  });

  test('CCAI example 3: the engine and the service changed', async () => {
    const folder = await saved();
    appendFileSync(path.join(folder, 'docker/service/app.py'), '# more\n');
    edit(folder, 'docker/engine/Dockerfile', (text) => text.replace('RUN install', 'RUN install --all'));
    expect(await outcomes(folder)).toEqual([
      'base reuse',
      'engine build: instruction-changed',
      'service build: file-changed docker/service/app.py, parent-changed engine',
    ]);
  });

  test('CCAI example 1: the base changed', async () => {
    const folder = await saved();
    edit(folder, 'docker/base/Dockerfile', (text) => `${text}RUN more\n`);
    expect(await outcomes(folder)).toEqual([
      'base build: instruction-changed',
      'engine build: parent-changed base',
      'service build: parent-changed engine',
    ]);
  });

  test('a mode', async () => {
    const folder = await saved();
    chmodSync(path.join(folder, 'docker/service/app.py'), 0o755);
    expect((await outcomes(folder))[2]).toBe('service build: mode-changed docker/service/app.py');
  });

  test('an outside base that moved', async () => {
    const folder = await saved();
    edit(folder, 'imgbuild.lock', (text) => text.replaceAll(/"sha256:[0-9a-f]{64}"/g, `"sha256:${'5'.repeat(64)}"`));
    expect((await outcomes(folder))[0]).toBe('base build: base-changed debian:12');
  });

  test('an ARG that only the engine and the service declare leaves the base', async () => {
    const folder = await saved();
    edit(folder, 'imgbuild.yaml', (text) => text.replace('OPENVINO: "y"', 'OPENVINO: "n"'));
    expect(await outcomes(folder)).toEqual([
      'base reuse',
      'engine build: arg-changed OPENVINO',
      'service build: arg-changed OPENVINO, parent-changed engine',
    ]);
  });

  test('an ARG that nobody declares reaches nothing', async () => {
    const folder = await saved();
    edit(folder, 'imgbuild.yaml', (text) => text.replace('OPENVINO: "y"', 'OPENVINO: "y", UNUSED: "1"'));
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('a content that is reverted finds the former layer', async () => {
    const folder = await saved();
    const app = path.join(folder, 'docker/service/app.py');
    const before = readFileSync(app);
    appendFileSync(app, '# more\n');
    await saveAll(folder);
    writeFileSync(app, before);
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('another image under the fingerprint of a parent', async () => {
    const folder = await saved();
    const { project, builds } = await plan(folder, { force: ['engine'] });
    expect(builds.map(({ planned }) => planned.reasons.map(({ kind }) => kind))).toEqual([
      [],
      ['forced'],
      ['parent-changed'],
    ]);
    const engine = builds[1]!;
    const { saveLayer } = await import('../../src/store/saved-layer.ts');
    const bytes = (await project.store.getManifest('service_runtime_base', `fp-${builds[0]!.planned.fingerprint}`))!;
    await project.store.putManifest(engine.planned.repository, bytes.descriptor.digest, bytes);
    await saveLayer(project.store, engine.planned.repository, {
      layer: 'engine',
      platform: engine.inputs.link.platform,
      fingerprint: engine.planned.fingerprint,
      image: bytes,
      parents: { base: builds[0]!.planned.digest! },
      inputs: engine.inputs.inputs,
    });
    expect(await outcomes(folder)).toEqual(['base reuse', 'engine reuse', 'service build: parent-changed engine']);
  });
});

describe('what a target does not need', () => {
  const staged = {
    ...chain,
    'imgbuild.yaml': chain['imgbuild.yaml']!.replace(
      'image: service_runtime,',
      'image: service_runtime, target: runtime,',
    ),
    'docker/service/Dockerfile': [
      'FROM debian:12 AS docs',
      'COPY docs /docs',
      'FROM docs AS site',
      'RUN site',
      'FROM service_runtime_inference_engine:ubuntu_20.04 AS runtime',
      'COPY app.py /srv/',
      '',
    ].join('\n'),
    'docker/service/docs/index.md': 'text\n',
  };

  test('two stages skipped by target: edits there rebuild nothing', async () => {
    const folder = await saved(staged);
    writeTree(folder, { 'docker/service/docs/index.md': 'other\n' });
    edit(folder, 'docker/service/Dockerfile', (text) =>
      text.replace('RUN site', 'RUN site --all').replace('/docs\n', '/elsewhere\n'),
    );
    expect(await outcomes(folder)).toEqual(allReused);
  });

  test('context: . with COPY . . holds neither the store nor .git', async () => {
    const folder = await saved({
      'imgbuild.yaml': 'version: 1\nname: whole\nlayers:\n  all: { context: ., image: all }\n',
      Dockerfile: 'FROM scratch\nCOPY . .\n',
      'a/b': 'c',
    });
    const { builds } = await plan(folder);
    const files = builds[0]!.inputs.inputs.flatMap((input) => (input.kind === 'file' ? [input.path] : []));
    expect(files.toSorted()).toEqual(['.gitignore', 'Dockerfile', 'a/b', 'imgbuild.yaml']);
    expect(await outcomes(folder)).toEqual(['all reuse']);
  });
});
