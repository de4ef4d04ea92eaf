import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../src/deb/check.ts';
import { collectContents } from '../../src/deb/contents.ts';
import { declaredPlacements } from '../../src/deb/placement.ts';
import { expandGlob } from '../../src/files/glob.ts';
import type { Config } from '../../src/config/config.ts';
import { deb, makeProject, parseProject } from './support/project.ts';

const files = {
  'config/a.conf': 'a',
  'config/b.conf': 'b',
  'config/.hidden': 'h',
  'config/notes.txt': 'n',
  'models/ocr/weights.onnx': 'o',
  'models/ocr/sub/labels.txt': 'l',
  'models/asr/weights.onnx': 's',
  'models/[odd] (name).bin': 'odd',
};

const project = (contents: object[], more: Record<string, string> = {}) =>
  makeProject({ 'ccai-files': deb({ contents }) }, { ...files, ...more });
const collect = (config: Config) =>
  collectContents(config.root, config.debs[0]!.name, declaredPlacements(config, config.debs[0]!));
const paths = async (config: Config) => (await collect(config)).entries.map(({ path }) => path);

describe('a source goes to', () => {
  test.each<[string, string, string[]]>([
    ['config/a.conf', '/etc/ccai/main.conf', ['etc/ccai/main.conf']],
    ['config/a.conf', '/etc/ccai/', ['etc/ccai/a.conf']],
    [
      'config',
      '/etc/ccai',
      ['etc/ccai', 'etc/ccai/.hidden', 'etc/ccai/a.conf', 'etc/ccai/b.conf', 'etc/ccai/notes.txt'],
    ],
    ['models/ocr/sub', '/opt/', ['opt/sub', 'opt/sub/labels.txt']],
    ['config/*.conf', '/etc/ccai', ['etc/ccai/a.conf', 'etc/ccai/b.conf']],
    ['config/[a-m].conf', '/etc/ccai', ['etc/ccai/a.conf', 'etc/ccai/b.conf']],
    ['config/[!a].conf', '/etc/ccai', ['etc/ccai/b.conf']],
    ['config/?.conf', '/etc/ccai/', ['etc/ccai/a.conf', 'etc/ccai/b.conf']],
    ['config/.h*', '/etc', ['etc/.hidden']],
    ['models/*/weights.onnx', '/m', ['m/asr/weights.onnx', 'm/ocr/weights.onnx']],
    ['models/**/*.txt', '/m', ['m/ocr/sub/labels.txt']],
    ['models/**/*.onnx', '/m', ['m/asr/weights.onnx', 'm/ocr/weights.onnx']],
    ['models/[[]odd*', '/m', ['m/[odd] (name).bin']],
    ['m*s/ocr', '/', ['models/ocr', 'models/ocr/sub', 'models/ocr/sub/labels.txt', 'models/ocr/weights.onnx']],
    ['models/asr', '/', ['asr', 'asr/weights.onnx']],
  ])('%s → %s', async (src, dst, expected) => {
    expect(await paths(project([{ src, dst }]))).toEqual(expected);
  });

  test('the same folder as another one', async () => {
    const config = project([
      { src: 'config/a.conf', dst: '/etc/ccai/' },
      { src: 'config/b.conf', dst: '/etc/ccai/' },
    ]);
    expect(await paths(config)).toEqual(['etc/ccai/a.conf', 'etc/ccai/b.conf']);
  });

  test('what a shell finds for the same pattern', async () => {
    const { root } = project([]);
    for (const pattern of ['config/*', 'models/*/*', '*/a.conf', 'models/o?r', '[a-z]*/ocr/*.onnx', 'none*']) {
      const found = execFileSync('bash', ['-O', 'nullglob', '-c', `cd "$0" && printf '%s\\n' ${pattern}`, root], {
        encoding: 'utf8',
        env: { ...process.env, LC_ALL: 'C' },
      });
      const expected = found.split('\n').filter((line) => line !== '');
      expect(
        (await expandGlob(root, pattern)).map(({ path }) => path),
        pattern,
      ).toEqual(expected);
    }
  });
});

describe('a pattern that matches nothing is an error at its place', () => {
  test.each([
    ['models/ocr/*.onx', 'no file matches models/ocr/*.onx', 'the nearest is models/ocr/weights.onnx'],
    [
      'models/ocs/weights.onnx',
      'there is no file or folder models/ocs/weights.onnx',
      'the nearest is models/ocr/weights.onnx',
    ],
    ['confg/a.conf', 'there is no file or folder confg/a.conf', 'the nearest is config/a.conf'],
  ])('%s', async (src, because, fix) => {
    const error = await checkDebs(
      project([
        { src: 'config', dst: '/etc/x' },
        { src, dst: '/x/' },
      ]),
    ).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ because: `package ccai-files: ${because}`, fix, kind: 'input' });
    expect((error as { at: { text: string } }).at.text).toContain(src);
  });
});

describe('is refused', () => {
  const refused = (config: Config) => expect(collect(config)).rejects;

  test('two sources with one target', async () => {
    const config = project([
      { src: 'config/a.conf', dst: '/etc/x.conf' },
      { src: 'config/b.conf', dst: '/etc/x.conf' },
    ]);
    await refused(config).toMatchObject({
      because: 'package ccai-files: config/a.conf and config/b.conf both go to /etc/x.conf',
    });
  });

  test('a path below a file', async () => {
    const config = project([
      { src: 'config/a.conf', dst: '/opt/x' },
      { src: 'config/b.conf', dst: '/opt/x/y' },
    ]);
    await refused(config).toMatchObject({
      because: 'package ccai-files: /opt/x is no folder, and /opt/x/y would lie in it',
    });
  });

  test('a name with a line break', async () => {
    await refused(project([{ src: 'odd', dst: '/opt/x' }], { 'odd/a\nb': '' })).toMatchObject({
      because: 'package ccai-files: "odd/a\\nb" has a line break in its name',
    });
  });

  test('a name that is not UTF-8', async () => {
    const config = project([{ src: 'odd', dst: '/opt/x' }], { 'odd/fine': '' });
    writeFileSync(Buffer.concat([Buffer.from(`${config.root}/odd/`), Buffer.of(0xe9)]), '');
    await refused(config).toMatchObject({ because: expect.stringContaining('not UTF-8') });
  });

  test('a pipe, a socket and a device, by name', async () => {
    const config = project([{ src: 'odd', dst: '/opt/x' }], { 'odd/fine': '' });
    execFileSync('mkfifo', [join(config.root, 'odd/pipe')]);
    await refused(config).toMatchObject({ because: expect.stringContaining('odd/pipe is a pipe') });
    execFileSync('rm', [join(config.root, 'odd/pipe')]);
    const server = createServer().listen(join(config.root, 'odd/socket'));
    await refused(config).toMatchObject({ because: expect.stringContaining('odd/socket is a socket') });
    server.close();
  });

  test('a file over the root, and a file that imgbuild makes', async () => {
    await refused(project([{ src: 'config/a.conf', dst: '/.' }])).toMatchObject({ fix: 'write /a.conf' });
    const config = parseProject(project([]).root, {
      ccai: deb({ service: 'service', contents: [{ src: 'config/a.conf', dst: '/opt/ccai/docker_image' }] }),
    });
    await expect(checkDebs(config)).rejects.toMatchObject({
      because: 'package ccai: /opt/ccai/docker_image is a file that imgbuild makes for a service',
    });
  });

  test('a source that a link leads out of the repository', async () => {
    const config = project([{ src: 'out/*', dst: '/opt/x' }]);
    symlinkSync('/etc', join(config.root, 'out'));
    await refused(config).toMatchObject({ because: expect.stringContaining('out is a link that leaves') });
  });
});

describe('is kept', () => {
  test('a setuid bit, and reported', async () => {
    const config = project([{ src: 'tool', dst: '/usr/bin/' }], { tool: 'x' });
    chmodSync(join(config.root, 'tool'), 0o4711);
    expect(await collect(config)).toMatchObject({
      entries: [expect.objectContaining({ path: 'usr/bin/tool', mode: 0o4755 })],
      warnings: ['ccai-files: /usr/bin/tool keeps setuid (mode 4755)'],
    });
  });

  test('a mode that is written', async () => {
    const config = project([{ src: 'config/*.conf', dst: '/etc/x', mode: '0600' }]);
    expect((await collect(config)).entries).toEqual([
      expect.objectContaining({ mode: 0o600 }),
      expect.objectContaining({ mode: 0o600 }),
    ]);
  });

  test('a symbolic link as it is, with a warning where it points at nothing', async () => {
    const config = project([{ src: 'links', dst: '/opt/links' }], { 'links/file': '' });
    symlinkSync('file', join(config.root, 'links/good'));
    symlinkSync('../gone', join(config.root, 'links/bad'));
    symlinkSync('/etc/hosts', join(config.root, 'links/absolute'));
    mkdirSync(join(config.root, 'links/folder'));
    symlinkSync('..', join(config.root, 'links/folder/up'));
    const { entries, warnings } = await collect(config);
    expect(entries.filter(({ type }) => type === 'symlink').map(({ path }) => path)).toEqual([
      'opt/links/absolute',
      'opt/links/bad',
      'opt/links/folder/up',
      'opt/links/good',
    ]);
    expect(warnings).toEqual(['ccai-files: the link /opt/links/bad points at nothing in the package']);
  });

  test('an empty folder', async () => {
    const config = project([{ src: 'empty', dst: '/var/lib/ccai' }]);
    mkdirSync(join(config.root, 'empty'));
    expect(await paths(config)).toEqual(['var/lib/ccai']);
  });
});

test('imgbuild’s own state and the history are never packed', async () => {
  const config = project([{ src: '.', dst: '/opt/all' }], {
    '.git/HEAD': 'x',
    '.imgbuild/store/index.json': '{}',
    '.gitignore': 'y',
  });
  const found = await paths(config);
  expect(found).toContain('opt/all/.gitignore');
  expect(found.filter((path) => /\/\.git(\/|$)|\.imgbuild/.test(path))).toEqual([]);
});
