import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openContext, openWorkTree } from '../../src/context/context.ts';
import { parseIgnoreFile } from '../../src/context/ignore-file.ts';
import { folder, open, put, read } from './fixture.ts';
import { naive } from './naive.ts';

const modeOf = (path: string): number => lstatSync(path).mode & 0o7777;

/** A tree whose root has the mode of an ordinary checkout; temporary folders have 0700. */
function checkout(files: Parameters<typeof folder>[0]): string {
  const root = folder(files);
  chmodSync(root, 0o755);
  return root;
}

test('a tree with ordinary modes is handed over as it is, with what is never sent excluded', async () => {
  const root = checkout({
    'c/Dockerfile': 'FROM x',
    'c/a': 'a',
    'c/.dockerignore': 'b\n# no\n',
    'c/run': { exec: 'r' },
    'c/l': { link: 'a' },
  });
  const made = await (await open(root, { context: 'c' })).materialise();
  expect(made.path).toBe(join(root, 'c'));
  expect(readFileSync(made.dockerfile, 'utf8')).toBe('FROM x');
  expect(readFileSync(`${made.dockerfile}.dockerignore`, 'utf8')).toBe('b\n**/.imgbuild\n**/.git\n');
  await made.dispose();
  await made.dispose();
  expect(existsSync(made.dockerfile)).toBe(false);
  expect(readdirSync(join(root, '.imgbuild/tmp'))).toEqual([]);
});

test('a pattern that begins with # stays one, and no comment', async () => {
  const root = checkout({ Dockerfile: '', '#notes': 'n', a: 'a', '.dockerignore': '#a\n #notes\n' });
  expect(await read(root, ['.'])).toEqual(['.dockerignore', 'Dockerfile', 'a']);
  const made = await (await open(root)).materialise();
  const lines = readFileSync(`${made.dockerfile}.dockerignore`, 'utf8');
  expect(parseIgnoreFile(lines).map(({ pattern }) => pattern)).toEqual(['#notes', '**/.imgbuild', '**/.git']);
  await made.dispose();
});

test('with git: true, .git is not excluded', async () => {
  const root = checkout({ Dockerfile: '', '.git/HEAD': 'x' });
  const made = await (await open(root, { git: true })).materialise();
  expect(readFileSync(`${made.dockerfile}.dockerignore`, 'utf8')).toBe('**/.imgbuild\n');
  await made.dispose();
});

test('other modes are normalised in a copy of what survives; times and links stay', async () => {
  const root = checkout({
    Dockerfile: '',
    '.dockerignore': 'left-out\n',
    secret: 's',
    'd/tool': { exec: 't' },
    'left-out/x': 'x',
    'd/l': { link: '/nowhere' },
    'empty/e': null,
    '.imgbuild/store/x': 'x',
    '.git/HEAD': 'x',
  });
  chmodSync(join(root, 'secret'), 0o600);
  chmodSync(join(root, 'd'), 0o2750);
  chmodSync(join(root, 'd/tool'), 0o4711);
  utimesSync(join(root, 'secret'), 1_000_000, 1_000_000);
  const context = await open(root);
  const made = await context.materialise();
  expect(made.path).not.toBe(root);
  expect(Object.keys(naive(made.path))).toEqual(['.dockerignore', 'Dockerfile', 'd/l', 'd/tool', 'empty/e', 'secret']);
  expect(existsSync(join(made.path, '.git'))).toBe(false);
  expect([made.path, ...['secret', 'd', 'd/tool', 'empty/e'].map((path) => join(made.path, path))].map(modeOf)).toEqual(
    [0o755, 0o644, 0o755, 0o755, 0o755],
  );
  expect(statSync(join(made.path, 'secret')).mtimeMs).toBe(1_000_000_000);
  expect(readlinkSync(join(made.path, 'd/l'))).toBe('/nowhere');
  expect(modeOf(join(root, 'secret'))).toBe(0o600);
  // The copy's own .dockerignore must not count: another may have won.
  expect(readFileSync(`${made.dockerfile}.dockerignore`, 'utf8')).toMatch(/^#.*\n$/);
  expect(await context.lostModes()).toEqual([
    { origin: 'd', mode: 0o2750 },
    { origin: 'd/tool', mode: 0o4711 },
    { origin: 'secret', mode: 0o600 },
  ]);
  await made.dispose();
  expect(existsSync(made.path)).toBe(false);
});

test('modes that the checkout’s umask explains are no loss', async () => {
  const root = folder({ Dockerfile: '', 'd/f': 'f', 'd/run': { exec: 'r' } });
  chmodSync(join(root, 'd'), 0o700);
  chmodSync(join(root, 'd/f'), 0o600);
  chmodSync(join(root, 'd/run'), 0o700);
  expect(await (await open(root)).lostModes()).toEqual([]);
  chmodSync(root, 0o755);
  expect((await (await open(root)).lostModes()).map(({ origin }) => origin)).toEqual(['d', 'd/f', 'd/run']);
});

test('a context is the same under another umask', async () => {
  const root = folder({});
  const make = (umask: string): string => {
    execFileSync('sh', ['-c', 'umask $1; mkdir -p $1/d; echo f >$1/d/f; echo x >$1/x; chmod +x $1/x', '-', umask], {
      cwd: root,
    });
    return join(root, umask);
  };
  const hashes = await Promise.all(
    ['022', '077', '002'].map(async (umask) => [...(await (await open(make(umask), { dockerfile: 'x' })).all())]),
  );
  expect(hashes[1]).toEqual(hashes[0]);
  expect(hashes[2]).toEqual(hashes[0]);
});

test('copy entries are in the context that is handed over, and nothing is written into the tree', async () => {
  const root = checkout({ 'svc/Dockerfile': '', 'common/a': 'a', 'common/d/b': { exec: 'b' }, 'one.txt': '1' });
  const before = naive(root);
  const layer = {
    context: 'svc',
    copy: [
      { src: 'common', dst: 'lib/common' },
      { src: 'one.txt', dst: 'two.txt' },
    ],
  };
  const context = await open(root, layer);
  const made = await context.materialise();
  const entries = Array.from(await context.all(), (entry) => [entry.path, `${entry.mode} ${entry.hash}`]);
  expect(naive(made.path)).toEqual(Object.fromEntries(entries));
  expect(Object.keys(naive(made.path))).toEqual(['Dockerfile', 'lib/common/a', 'lib/common/d/b', 'two.txt']);
  await made.dispose();
  expect(naive(root)).toEqual(before);
});

test('a FIFO is not sent, whatever its name', async () => {
  const root = checkout({ Dockerfile: '', 'd/a': 'a', 'd/[x]': 'file', 'd/x': 'file' });
  const names = ['d/!f*[o]', 'd/#', '! lead', 'trail ', 'back\\slash'];
  execFileSync(
    'mkfifo',
    names.map((name) => join(root, name)),
  );
  const context = await open(root);
  const made = await context.materialise();
  expect(made.path).toBe(root);
  // What that ignore file leaves is what was hashed: names with other characters are still there.
  put(root, 'D.dockerignore', readFileSync(`${made.dockerfile}.dockerignore`, 'utf8'));
  for (const name of names) {
    execFileSync('rm', [join(root, name)]);
    writeFileSync(join(root, name), 'a file now');
  }
  expect(await read(root, ['.'], { dockerfile: 'D' })).toEqual(['D.dockerignore', 'Dockerfile', 'd/[x]', 'd/a', 'd/x']);
  await made.dispose();
  execFileSync('mkfifo', [join(root, 'new\nline')]);
  const copied = await (await open(root)).materialise();
  expect(copied.path).not.toBe(root);
  await copied.dispose();
});

test('nothing is left when it fails or is aborted', async () => {
  const root = checkout({ 'a/x': 'x', common: 'c' });
  await expect((await open(root, { dockerfile: 'missing' })).materialise()).rejects.toMatchObject({
    kind: 'operation',
  });
  expect(readdirSync(join(root, '.imgbuild/tmp'))).toEqual([]);
  const stop = new AbortController();
  const context = await openContext({
    root,
    layer: { context: 'a', dockerfile: 'common', copy: [{ src: 'common', dst: 'y' }], git: false },
    tree: await openWorkTree(root),
    signal: stop.signal,
  });
  stop.abort(new Error('stopped'));
  await expect(context.materialise()).rejects.toThrow('stopped');
  expect(readdirSync(join(root, '.imgbuild/tmp'))).toEqual([]);
});

test('nothing is left when the process ends', async () => {
  const root = checkout({ Dockerfile: '' });
  const program = `
    import { openContext, openWorkTree } from ${JSON.stringify(join(import.meta.dirname, '../../src/context/context.ts'))};
    const root = process.argv[1];
    const layer = { context: '.', dockerfile: 'Dockerfile', copy: [], git: false };
    const made = await (await openContext({ root, layer, tree: await openWorkTree(root) })).materialise();
    console.log(made.dockerfile);
    process.exit(1);`;
  let printed = '';
  try {
    execFileSync(process.execPath, ['--input-type=module', '-e', program, root], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    printed = (error as { stdout: string }).stdout;
  }
  expect(printed).toContain('.imgbuild/tmp/context-');
  expect(readdirSync(join(root, '.imgbuild/tmp'))).toEqual([]);
});

test('a tree whose temporary folder cannot be made is told, not copied to another disk', async () => {
  const root = checkout({ Dockerfile: '', '.imgbuild': 'in the way' });
  await expect((await open(root)).materialise()).rejects.toThrow(
    `making the folder ${root}/.imgbuild/tmp: a file is in the way`,
  );
});

test('.imgbuild ignores itself in git', async () => {
  const root = checkout({ Dockerfile: '' });
  await (await (await open(root)).materialise()).dispose();
  expect(readFileSync(join(root, '.imgbuild/.gitignore'), 'utf8')).toBe('*\n');
});
