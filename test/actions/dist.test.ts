import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actionNames, bundle, differences, type Bundled } from '../../scripts/build.ts';

const root = path.resolve(import.meta.dirname, '../..');
const megabyte = 1_000_000;

let work: string;
let dist: string;
let made: Bundled;
beforeAll(async () => {
  work = mkdtempSync(path.join(tmpdir(), 'imgbuild-dist-'));
  dist = path.join(work, 'dist');
  made = await bundle(root, dist);
}, 120_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

describe('the bundles', () => {
  test('the same sources give the same bytes, in another folder too', async () => {
    const again = path.join(work, 'some/where/else');
    await bundle(root, again);
    expect(await differences(dist, again)).toEqual([]);
    writeFileSync(path.join(again, 'main.cjs'), 'other');
    expect(await differences(dist, again)).toEqual(['main.cjs']);
  }, 120_000);

  test('all of dist is at most 6 MB, and what an action loads at its start at most 1.5 MB', () => {
    const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const total = files.reduce((sum, { parentPath, name }) => sum + statSync(path.join(parentPath, name)).size, 0);
    expect(total).toBeLessThanOrEqual(6 * megabyte);
    for (const name of actionNames) expect(startBytes(name), name).toBeLessThanOrEqual(1.5 * megabyte);
  });

  test('threads find their file from wherever they are started', () => {
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((one) => /\.c?js$/.test(one));
    for (const thread of ['part-thread.js', 'prepare-thread.js']) {
      const starting = files.filter((file) => readFileSync(path.join(dist, file), 'utf8').includes(`/${thread}`));
      expect(starting).toContain('main.cjs');
      expect(starting.some((file) => file.startsWith('chunks/'))).toBe(true);
      for (const file of starting) {
        const beside = [thread, `../${thread}`].map((name) => path.join(dist, file, '..', name));
        expect(
          beside.some((name) => existsSync(name)),
          file,
        ).toBe(true);
      }
    }
  });

  test('the caching client, OpenPGP and the client of GitHub are loaded on demand', () => {
    for (const name of actionNames) {
      const loaded = startFiles(name).flatMap((file) => Object.keys(made.metafile.outputs[file]!.inputs));
      const heavy = loaded.filter((input) =>
        /node_modules\/(@actions\/(cache|github)|openpgp|dockerode)\//.test(input),
      );
      expect(heavy, name).toEqual([]);
    }
  });

  test('they name no place of this machine, and come with the licences of what is in them', () => {
    for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((one) => /\.c?js$/.test(one))) {
      const { stdout } = spawnSync('grep', ['-c', '-F', root, path.join(dist, file)], { encoding: 'utf8' });
      expect(stdout.trim(), file).toBe('0');
    }
    const licences = readFileSync(path.join(dist, 'licenses.txt'), 'utf8');
    for (const name of ['undici', 'yaml', 'zod', 'openpgp', '@actions/core']) {
      expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\([^)]+\\)$`, 'm'));
    }
  });
});

/** What an action loads before it does anything: its file and all that is imported statically. */
function startFiles(name: string): string[] {
  const { outputs } = made.metafile;
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { path: next, kind, external } of outputs[file]!.imports) {
      if (kind === 'import-statement' && external !== true) visit(next);
    }
  };
  visit(Object.keys(outputs).find((file) => outputs[file]!.entryPoint === `src/actions/${name}.ts`)!);
  return [...seen];
}

function startBytes(name: string): number {
  return startFiles(name).reduce((sum, file) => sum + made.metafile.outputs[file]!.bytes, 0);
}

describe('the launcher', () => {
  /** Makes Node say that it is older than it is: what runs on any Node can be tried on this one. */
  const old = [
    '--import',
    'data:text/javascript,if(!process.env.NEW)Object.defineProperty(process.versions,"node",{value:"20.1.0"})',
  ];
  const script = `#!/bin/sh\nNEW=1 exec ${process.execPath} "$@"\n`;

  function checkout(name: string, withNode: boolean): string {
    const folder = path.join(work, name);
    mkdirSync(path.join(folder, 'dist'), { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
    cpSync(path.join(dist, 'cli.js'), path.join(folder, 'dist/cli.js'));
    if (withNode) {
      const node = path.join(folder, `node_modules/node-${process.platform}-${process.arch}`);
      mkdirSync(path.join(node, 'bin'), { recursive: true });
      writeFileSync(path.join(node, 'package.json'), '{}');
      writeFileSync(path.join(node, 'bin/node'), script, { mode: 0o755 });
    }
    return folder;
  }

  const program = (folder: string, code: string) => writeFileSync(path.join(folder, 'dist/main.cjs'), code);
  const run = (folder: string, ...args: string[]) =>
    spawnSync(process.execPath, [...old, path.join(folder, 'dist/cli.js'), ...args], { encoding: 'utf8' });

  test('on an old Node the program runs on the one of the checkout, with arguments, output and exit code', () => {
    const folder = checkout('with-node', true);
    program(folder, 'console.log(process.argv.slice(2).join("|")); process.exitCode = 7;');
    const { status, stdout, stderr } = run(folder, 'plan', 'a b', '');
    expect(stderr).toBe('');
    expect(stdout).toBe('plan|a b|\n');
    expect(status).toBe(7);
  });

  test('compiled code is kept in a folder of this user alone', () => {
    const { NODE_COMPILE_CACHE: _other, ...env } = process.env;
    const cache = path.join(work, 'cache');
    spawnSync(process.execPath, [path.join(dist, 'cli.js'), '--version'], { env: { ...env, XDG_CACHE_HOME: cache } });
    expect(existsSync(path.join(cache, 'imgbuild/compiled'))).toBe(true);
  });

  test('without one it exits with 2 and names the version that is needed', () => {
    const folder = checkout('without-node', false);
    program(folder, 'console.log("never")');
    const { status, stdout, stderr } = run(folder);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('needs Node 24.6 or newer, and this is 20.1.0');
  });

  test('a new Node runs the program itself', () => {
    const folder = checkout('new', false);
    program(folder, 'console.log("itself")');
    const { stdout } = spawnSync(process.execPath, [path.join(folder, 'dist/cli.js')], { encoding: 'utf8' });
    expect(stdout).toBe('itself\n');
  });

  const ended = (child: ChildProcess) =>
    new Promise<[number | null, string | null]>((resolve) => child.on('exit', (...how) => resolve(how)));

  test.each([
    ['a program that puts things right', 'process.on("SIGTERM", () => process.exit(143))', [143, null]],
    ['a program that is killed', '', [null, 'SIGTERM']],
  ])('signals reach %s, and how it ends is how the launcher ends', async (_, handler, expected) => {
    const folder = checkout(`signals-${expected[0]}`, true);
    program(folder, `${handler}; console.log("ready"); setInterval(() => {}, 1000);`);
    const child = spawn(process.execPath, [...old, path.join(folder, 'dist/cli.js')]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const end = ended(child);
    child.kill('SIGTERM');
    expect(await end).toEqual(expected);
  });

  test('the machine may have an old Node first on PATH', () => {
    const candidates = (process.env.PATH ?? '').split(':').map((folder) => path.join(folder, 'node'));
    for (const node of candidates) {
      const version = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '';
      if (!/^v(18|20|22)\./.test(version)) continue;
      const folder = checkout(`real-${version.trim()}`, true);
      program(folder, 'console.log(process.versions.node)');
      const { stdout } = spawnSync(node, [path.join(folder, 'dist/cli.js')], { encoding: 'utf8' });
      expect(stdout.trim()).toBe(process.versions.node);
    }
  });
});
