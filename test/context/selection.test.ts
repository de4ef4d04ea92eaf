import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { at, copy, everything, folder, git, open, put, read, repository } from './fixture.ts';

const tree = {
  'app/main.py': 'main',
  'app/lib/a.py': 'a',
  'app/lib/b.txt': 'b',
  'docs/x.md': 'x',
  'top.txt': 'top',
  'other.txt': 'other',
  '.hidden': 'h',
};

describe.each([
  ['in a repository', repository],
  ['without git', folder],
])('%s', (_, make) => {
  test('a folder means all below it', async () => {
    expect(await read(make(tree), ['app'])).toEqual(['app/lib/a.py', 'app/lib/b.txt', 'app/main.py']);
  });

  test('`.` is the whole context', async () => {
    expect(await read(make(tree), ['.'])).toEqual(Object.keys(tree).toSorted());
  });

  test('wildcards match names of one level, hidden ones too', async () => {
    const root = make(tree);
    expect(await read(root, ['*.txt'])).toEqual(['other.txt', 'top.txt']);
    expect(await read(root, ['?hidden', '[a-o]*.txt', 'app/*/[!a].txt'])).toEqual(['.hidden', 'other.txt']);
    expect(await read(root, ['a*/l*/?.py'])).toEqual(['app/lib/a.py']);
    expect(await read(root, ['a*'])).toEqual(['app/lib/a.py', 'app/lib/b.txt', 'app/main.py']);
  });

  test('a class can stand for a slash, as in Go', async () => {
    expect(await read(make({ 'x/y': '1', xay: '2', xby: '3' }), ['x[^a]y'])).toEqual(['x/y', 'xby']);
  });

  test('what matches nothing is told', async () => {
    const context = await open(make({ ...tree, '.dockerignore': 'docs/*\n' }));
    const selections = [copy('app', 'nope', 'no*pe', 'docs/x.md', '[')];
    expect(context.missing(selections)).toEqual([
      { pattern: 'nope', at, required: true },
      { pattern: 'no*pe', at, required: false },
      { pattern: 'docs/x.md', at, required: true },
      { pattern: '[', at, required: false },
    ]);
  });

  test('a path is listed once', async () => {
    expect(await read(make(tree), ['app', 'app/lib', 'app/*.py', '.'])).toEqual(Object.keys(tree).toSorted());
  });

  test('empty folders count, in folders and as sources', async () => {
    const root = make({ ...tree, 'app/empty/deep': null, none: null });
    expect(await read(root, ['app'])).toEqual(['app/empty/deep', 'app/lib/a.py', 'app/lib/b.txt', 'app/main.py']);
    expect(await read(root, ['none'])).toEqual(['none']);
    expect((await open(root)).missing([copy('none', 'app/empty')])).toEqual([]);
  });

  test('a folder whose files are all ignored is an empty one', async () => {
    const root = make({ ...tree, '.dockerignore': 'app/lib/*\ndocs\n' });
    expect(await read(root, ['app', 'docs'])).toEqual(['app/lib', 'app/main.py']);
  });

  test('exceptions bring files back from excluded folders', async () => {
    const root = make({ ...tree, '.dockerignore': '*\n!app/lib/a.py\n!docs\n' });
    expect(await read(root, ['.'])).toEqual(['app/lib/a.py', 'docs/x.md']);
    expect((await open(root)).missing([copy('app')])).toEqual([]);
  });

  test('an excluded folder with nothing left in it is not there', async () => {
    const root = make({ ...tree, '.dockerignore': 'app\n!app/nothing\n' });
    expect(await read(root, ['.'])).not.toContain('app');
    expect((await open(root)).missing([copy('app', 'a*')])).toHaveLength(2);
  });

  test('the Dockerfile’s own ignore file wins, and both files can be left out', async () => {
    const root = make({
      'c/Dockerfile': 'FROM scratch',
      'c/.dockerignore': '*',
      'c/Dockerfile.dockerignore': 'Dockerfile*\n.dockerignore',
      'c/a': 'a',
    });
    expect(await read(root, ['.'], { context: 'c' })).toEqual(['a']);
  });

  test('a Dockerfile outside the context brings its ignore file', async () => {
    const root = make({ 'build/D.dockerignore': 'b', 'build/D': '', 'c/a': 'a', 'c/b': 'b' });
    expect(await read(root, ['.'], { context: 'c', dockerfile: 'build/D' })).toEqual(['a']);
  });

  test('a malformed ignore pattern is an input error that names the file', async () => {
    await expect(open(make({ '.dockerignore': 'a[' }))).rejects.toMatchObject({
      kind: 'input',
      doing: 'reading .dockerignore',
    });
  });

  test('links in folders stay links', async () => {
    const root = make({ 'd/l': { link: '../t' }, 'd/dangling': { link: '/nowhere' }, t: 'T' });
    // printf /nowhere | git hash-object --stdin
    expect((await everything(root))['d/dangling']).toBe('120000 dc04213993901599c31a9697e7a256dfa5637e52');
    expect(await read(root, ['d'])).toEqual(['d/dangling', 'd/l']);
  });

  test('a link that is a source is followed, and both ends count', async () => {
    const root = make({ l: { link: 'm' }, m: { link: 'dir' }, 'dir/f': 'f', 'dir/g': { link: 'f' }, x: 'x' });
    expect(await read(root, ['l'])).toEqual(['dir/f', 'dir/g', 'l', 'm']);
    expect(await read(root, ['l/f'])).toEqual(['dir/f', 'l', 'm']);
    expect(await read(root, ['l/*'])).toEqual(['dir/f', 'dir/g', 'l', 'm']);
  });

  test('a wildcard follows the links that it matches, but looks into none on the way', async () => {
    const root = make({ 'l.txt': { link: 'd/target' }, 'd/target': 't', e: { link: 'd' }, 'x.md': 'x' });
    expect(await read(root, ['*.txt'])).toEqual(['d/target', 'l.txt']);
    expect(await read(root, ['*/target'])).toEqual(['d/target']);
    expect(await read(root, ['e*'])).toEqual(['d/target', 'e']);
  });

  test('links do not lead out of the context', async () => {
    const root = make({
      'secret/s': 's',
      'c/up': { link: '../../../secret' },
      'c/abs': { link: '/secret' },
      'c/secret/s': 'inner',
    });
    expect(await read(root, ['up', 'abs'], { context: 'c' })).toEqual(['abs', 'secret/s', 'up']);
    symlinkSync('/secret', join(root, 'c/secret/deep'));
    expect(await read(root, ['secret/deep/s'], { context: 'c' })).toEqual(['secret/deep', 'secret/s']);
    expect((await open(root, { context: 'c' })).missing([copy('../secret/nope')])).toHaveLength(1);
  });

  test('links in a circle match nothing', async () => {
    const root = make({ a: { link: 'b' }, b: { link: 'a' } });
    expect((await open(root)).missing([copy('a')])).toHaveLength(1);
    expect(await read(root, ['a'])).toEqual(['a', 'b']);
  });

  test('a link to what .dockerignore excludes leads nowhere', async () => {
    const root = make({ l: { link: 'd/f' }, 'd/f': 'f', '.dockerignore': 'd' });
    expect(await read(root, ['l'])).toEqual(['l']);
    expect((await open(root)).missing([copy('l')])).toHaveLength(1);
  });

  test('--exclude is relative to each source and leaves folders standing', async () => {
    const context = await open(make(tree));
    const select = async (patterns: string[], excludes: string[]): Promise<string[]> =>
      Array.from(await context.select([{ ...copy(...patterns), excludes }]), (entry) => entry.path);
    expect(await select(['app'], ['lib'])).toEqual(['app/main.py']);
    expect(await select(['app'], ['lib/*'])).toEqual(['app/lib', 'app/main.py']);
    expect(await select(['app'], ['**/*.py', '!lib/a.py'])).toEqual(['app/lib/a.py', 'app/lib/b.txt']);
    expect(await select(['.'], ['app/lib', '*.txt'])).toEqual(['.hidden', 'app/main.py', 'docs/x.md']);
  });

  test('--parents takes patterns that cross folders, from the pivot on', async () => {
    const context = await open(make(tree));
    const select = async (...patterns: string[]): Promise<string[]> =>
      Array.from(await context.select([{ ...copy(...patterns), parents: true }]), (entry) => entry.path);
    expect(await select('**/*.py')).toEqual(['app/lib/a.py', 'app/main.py']);
    expect(await select('app/./lib')).toEqual(['app/lib/a.py', 'app/lib/b.txt']);
    expect(await select('app/./*.txt')).toEqual([]);
    expect(context.missing([{ ...copy('app/nope', 'app/lib'), parents: true }])).toEqual([
      { pattern: 'app/nope', at, required: false },
    ]);
  });

  test('a mount’s source is a path, not a pattern', async () => {
    const root = make({ 'a[1]/x': 'x', 'a1/y': 'y' });
    const context = await open(root);
    const [entry] = await context.select([{ ...copy('a[1]'), via: 'mount' }]);
    expect(entry?.path).toBe('a[1]/x');
  });

  test('.imgbuild is never read, at any depth', async () => {
    const root = make({ '.imgbuild/store/x': 'x', 'ex/.imgbuild/y': 'y', a: 'a', '.dockerignore': '!.imgbuild' });
    expect(await read(root, ['.'])).toEqual(['.dockerignore', 'a', 'ex']);
    expect(await read(root, ['.imgbuild'])).toEqual([]);
  });

  test('copy entries are part of the context, with their origin', async () => {
    const root = make({
      'common/a': 'a',
      'common/deep/b': { exec: 'b' },
      'common/.gitkeep': '',
      'svc/x': 'x',
      'svc/.dockerignore': '**/.gitkeep',
    });
    const layer = { context: 'svc', copy: [{ src: 'common', dst: 'lib/common' }] };
    expect(Array.from(await (await open(root, layer)).all(), ({ path, origin, mode }) => [path, origin, mode])).toEqual(
      [
        ['.dockerignore', 'svc/.dockerignore', '100644'],
        ['lib/common/a', 'common/a', '100644'],
        ['lib/common/deep/b', 'common/deep/b', '100755'],
        ['x', 'svc/x', '100644'],
      ],
    );
    expect(await read(root, ['lib/*/deep'], layer)).toEqual(['lib/common/deep/b']);
  });

  test('a copy entry may go into another’s folder, or beside files that are there', async () => {
    const root = make({ 'c/a': 'a', 'd/b': 'b', 'svc/lib/own': 'o', 'c/e': null });
    const entries = [
      { src: 'c', dst: 'lib/c' },
      { src: 'd/b', dst: 'lib/c/more/b' },
    ];
    expect(await read(root, ['.'], { context: 'svc', copy: entries })).toEqual([
      'lib/c/a',
      'lib/c/e',
      'lib/c/more/b',
      'lib/own',
    ]);
  });

  test.each([
    [[{ src: 'common', dst: 'x' }], 'already there'],
    [[{ src: 'common', dst: 'x/y' }], 'no folder'],
    [[{ src: 'nope', dst: 'y' }], 'does not exist'],
    [[{ src: '../up', dst: 'y' }], 'not in the repository'],
    [[{ src: 'common', dst: '..' }], 'not in the context'],
    [
      [
        { src: 'common', dst: 'y' },
        { src: 'common', dst: 'y' },
      ],
      'already there',
    ],
    [
      [
        { src: 'common', dst: 'y/z' },
        { src: 'common', dst: 'y' },
      ],
      'already there',
    ],
  ])('a copy entry that can’t be: %j', async (entries, because) => {
    const root = make({ 'common/a': 'a', 'svc/x': 'x' });
    await expect(open(root, { context: 'svc', copy: entries })).rejects.toMatchObject({
      kind: 'input',
      because: expect.stringContaining(because) as string,
    });
  });

  test('a context that is no folder is an input error', async () => {
    const root = make({ file: 'x' });
    await expect(open(root, { context: 'file' })).rejects.toMatchObject({ kind: 'input', because: 'it is no folder' });
    await expect(open(root, { context: 'nope' })).rejects.toMatchObject({ because: 'it does not exist' });
  });

  test('sockets and FIFOs are passed over, never waited for', async () => {
    const root = make({ 'd/f': 'f', 'only/x': null });
    execFileSync('mkfifo', [join(root, 'd/fifo'), join(root, 'fifo')]);
    const server = createServer().listen(join(root, 'd/socket'));
    onTestFinished(() => void server.close());
    expect(await read(root, ['.', 'fifo', 'd/*'])).toEqual(['d/f', 'only/x']);
  });

  test('a name that is not UTF-8 is an input error', async () => {
    const root = make({ 'd/f': 'f' });
    execFileSync('sh', ['-c', `printf x > "$1/$(printf 'd/\\377')"`, '-', root]);
    await expect(read(root, ['.'])).rejects.toMatchObject({ kind: 'input' });
    put(root, '.dockerignore', 'd/?\n');
    expect(await read(root, ['.'])).toEqual(['.dockerignore', 'd']);
  });

  test('modes: executable or not', async () => {
    const root = make({ 'run.sh': { exec: '#!/bin/sh' }, plain: 'p' });
    const [plain, run] = await (await open(root)).all();
    expect([plain!.mode, run!.mode]).toEqual(['100644', '100755']);
    // printf '#!/bin/sh' | git hash-object --stdin
    expect(run!.hash).toBe('96b4b06ad41630359f54d12db5d43eb52e076ed8');
  });

  test('names that need care: spaces, quotes, newlines, Unicode, what begins like another', async () => {
    const names = ['a b', 'a"b', 'a\nb', 'ä/ö', '😀', 'a', 'a-b/c', 'a.b/c', 'a0/c', 'x/a', 'x-y/b', '\\', 'tab\there'];
    const root = make(Object.fromEntries(names.map((name) => [name, name])));
    expect(await read(root, ['.'])).toEqual(names.toSorted());
    expect(await read(root, ['x', 'ä/*'])).toEqual(['x/a', 'ä/ö']);
  });
});

test('files that git knows are in the order of their paths, each once, wherever they come from', async () => {
  const root = repository({
    'app/a/x': '1',
    'app/a-b/x': '2',
    'app/a/b/y': '3',
    'app/c': '4',
    'app/z/x': '5',
    'lib/b/x': '6',
    'other/lib': '7',
  });
  const layer = { context: 'app' };
  expect(await read(root, ['z', 'a', 'a/b', 'c', 'a-b', 'a/x'], layer)).toEqual(['a-b/x', 'a/b/y', 'a/x', 'c', 'z/x']);
  // As long as the context's name, so that the same part is cut from its origins: git's order is not that of the paths.
  const copied = { ...layer, copy: [{ src: 'lib', dst: 'aaa' }] };
  expect(await read(root, ['.'], copied)).toEqual(['a-b/x', 'a/b/y', 'a/x', 'aaa/b/x', 'c', 'z/x']);
  const same = { context: 'app', copy: [{ src: 'lib/b', dst: 'b' }] };
  expect(await read(root, ['z', 'b', 'a'], same)).toEqual(['a/b/y', 'a/x', 'b/x', 'z/x']);
  put(root, 'app/a/new', '8');
  expect(await read(root, ['.'], same)).toEqual(['a-b/x', 'a/b/y', 'a/new', 'a/x', 'b/x', 'c', 'z/x']);
});

test('what changed since it was selected is named', async () => {
  const root = repository({
    'a/same': '1',
    'a/edited': '1',
    'a/removed': '1',
    'a/mode': '1',
    'b/selected-elsewhere': '1',
  });
  const context = await open(root);
  await context.select([copy('a')]);
  await context.select([copy('b')]);
  expect(await context.changed([copy('a')])).toEqual([]);
  put(root, 'a/edited', '2');
  put(root, 'a/added', '2');
  put(root, 'b/selected-elsewhere', '2');
  rmSync(join(root, 'a/removed'));
  chmodSync(join(root, 'a/mode'), 0o755);
  expect(await context.changed([copy('a')])).toEqual(['a/added', 'a/edited', 'a/mode', 'a/removed']);
  expect(await context.changed([copy('b')])).toEqual(['b/selected-elsewhere']);
  await expect(context.changed()).rejects.toThrow('not asked for');
  await expect(context.changed([copy('b')], AbortSignal.abort(new Error('stopped')))).rejects.toThrow('stopped');
});

test('of all that a context holds, what changed is named by its place in the repository', async () => {
  const root = repository({ 'app/a': '1', 'app/.dockerignore': 'ignored\n', 'lib/b': '1' });
  const context = await open(root, { context: 'app', copy: [{ src: 'lib', dst: 'lib' }] });
  await context.all();
  put(root, 'app/ignored', '2');
  put(root, 'lib/b', '2');
  expect(await context.changed()).toEqual(['lib/b']);
});

test('.git is read with git: true only, a worktree’s file and a submodule’s too', async () => {
  const root = repository({ a: 'a', 'sub/b': 'b' });
  git(join(root, 'sub'), 'init', '-q');
  expect(await read(root, ['.'])).toEqual(['a', 'sub/b']);
  const all = await read(root, ['.'], { git: true });
  expect(all).toContain('.git/HEAD');
  expect(all).toContain('sub/.git/HEAD');
  expect(await read(root, ['.git/HEAD'], { git: true })).toEqual(['.git/HEAD']);
  put(root, '.dockerignore', '.git/hooks\n');
  expect(await read(root, ['.git/hooks'], { git: true })).toEqual([]);
});
