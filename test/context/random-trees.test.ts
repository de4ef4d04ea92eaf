import dockerignore from '@balena/dockerignore';
import { chmodSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FileSelection } from '../../src/dockerfile/analysis.ts';
import { copy, everything, folder, git, open } from './fixture.ts';
import { naive } from './naive.ts';

const name = fc.constantFrom('a', 'b', 'c', 'a.md', 'b.md', 'x-y', '.h', 'ü');
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
const text = fc.constantFrom('1', '2', '33', 'a\r\nb\n', '');

const step = fc.oneof(
  fc.record({ do: fc.constant('write' as const), path, text }),
  fc.record({ do: fc.constant('link' as const), path, target: path }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('rename' as const), path, to: path }),
  fc.record({ do: fc.constant('chmod' as const), path }),
  fc.record({ do: fc.constant('add' as const), path }),
  fc.record({ do: fc.constant('commit' as const) }),
  fc.record({ do: fc.constant('assume' as const), path }),
  fc.record({ do: fc.constant('skip' as const), path }),
  fc.record({ do: fc.constant('refresh' as const) }),
  fc.record({ do: fc.constant('gitignore' as const), path }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Does a step as far as the tree allows it. */
function play(root: string, each: Step): void {
  const quietly = (act: () => void): void => {
    try {
      act();
    } catch {
      // The step did not fit the tree: another tree then.
    }
  };
  const at = 'path' in each ? join(root, each.path) : root;
  quietly(() => {
    switch (each.do) {
      case 'write':
        mkdirSync(dirname(at), { recursive: true });
        return writeFileSync(at, each.text);
      case 'link':
        mkdirSync(dirname(at), { recursive: true });
        return symlinkSync(each.target, at);
      case 'mkdir':
        return void mkdirSync(at, { recursive: true });
      case 'remove':
        return rmSync(at, { recursive: true });
      case 'rename':
        mkdirSync(dirname(join(root, each.to)), { recursive: true });
        return renameSync(at, join(root, each.to));
      case 'chmod':
        if (lstatSync(at).isFile()) chmodSync(at, lstatSync(at).mode ^ 0o111);
        return;
      case 'add':
        return void git(root, 'add', '-A', '-f', '--', each.path);
      case 'commit':
        git(root, 'add', '-A');
        return void git(root, 'commit', '-qm', 'x', '--allow-empty');
      case 'assume':
        return void git(root, 'update-index', '--assume-unchanged', each.path);
      case 'skip':
        return void git(root, 'update-index', '--skip-worktree', each.path);
      case 'refresh':
        return void git(root, 'status');
      case 'gitignore':
        return writeFileSync(join(root, '.gitignore'), `${each.path}\n`);
    }
  });
}

const line = fc.oneof(
  path,
  path.map((each) => `/${each}/`),
  name.map((each) => `**/${each}`),
  fc.constantFrom('*', '*.md', '**/*.md', 'a/*', '*/b', 'a/**', '[ab]', '# a', '', '?', '**/c/*'),
);
const ignoreFile = fc
  .array(
    fc.tuple(line, fc.boolean()).map(([pattern, exception]) => (exception && pattern !== '' ? `!${pattern}` : pattern)),
    { maxLength: 4 },
  )
  .map((lines) => lines.join('\n'));
// An exception after a pattern that a folder does not match is read in other ways by other readers than BuildKit.
const plainIgnoreFile = fc.oneof(
  fc.array(line, { maxLength: 4 }).map((lines) => lines.join('\n')),
  fc
    .array(
      line.filter((each) => !/^(?:#|$)/.test(each)),
      { maxLength: 4 },
    )
    .map((lines) => ['*', ...lines.map((each) => `!${each}`)].join('\n')),
);

const rounds = Number(process.env['CONTEXT_ROUNDS'] ?? 40);

test('a context equals a plain reading of the disk, whatever git’s state is', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), fc.boolean(), async (steps, tracked) => {
      const root = folder({ seed: 'seed', 'a/seed': 'seed' });
      if (tracked) {
        git(root, 'init', '-q');
        git(root, 'add', '-A');
        git(root, 'commit', '-qm', 'x');
      }
      for (const each of steps) play(root, each);
      expect(await everything(root)).toEqual(naive(root));
      rmSync(root, { recursive: true, force: true });
    }),
    { numRuns: rounds },
  );
});

test('.dockerignore as an independent implementation reads it', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(path, { minLength: 1, maxLength: 12 }), plainIgnoreFile, async (paths, ignore) => {
      const root = folder({});
      for (const each of paths) play(root, { do: 'write', path: each, text: each } as Step);
      writeFileSync(join(root, '.dockerignore'), ignore);
      const other = dockerignore.default({ ignorecase: false }).add(ignore);
      const files = (found: Record<string, string>): string[] =>
        Object.keys(found).filter((each) => !found[each]!.startsWith('040000'));
      expect(files(await everything(root))).toEqual(files(naive(root, (each) => other.ignores(each))));
      rmSync(root, { recursive: true, force: true });
    }),
    { numRuns: rounds * 3 },
  );
});

test('a materialised context has what was hashed, and nothing else', { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 15 }),
      ignoreFile,
      fc.boolean(),
      async (steps, ignore, odd) => {
        const root = folder({ Dockerfile: 'FROM scratch' });
        for (const each of steps) play(root, each);
        if (!existsSync(join(root, 'Dockerfile'))) return;
        writeFileSync(join(root, '.dockerignore'), ignore);
        // A mode that no context has: it must be copied.
        writeFileSync(join(root, 'odd'), '', { mode: odd ? 0o600 : 0o644 });
        const context = await open(root);
        const entries = Object.fromEntries(
          Array.from(await context.all(), (each) => [each.path, `${each.mode} ${each.hash}`]),
        );
        const made = await context.materialise();
        try {
          // As the engine's client would read it: with the ignore file beside the Dockerfile that it's given.
          const sent = await open(made.path, { dockerfile: relative(made.path, made.dockerfile) });
          expect(
            Object.fromEntries(Array.from(await sent.all(), (each) => [each.path, `${each.mode} ${each.hash}`])),
          ).toEqual(entries);
          if (made.path !== root) expect(naive(made.path)).toEqual(entries);
        } finally {
          await made.dispose();
        }
        rmSync(root, { recursive: true, force: true });
      },
    ),
    { numRuns: rounds },
  );
});

test('patterns read the same from git as from the disk', { timeout: 300_000 }, async () => {
  const selection: fc.Arbitrary<FileSelection> = fc
    .record({
      patterns: fc.array(fc.oneof(path, fc.constantFrom('.', '*', 'a*', '*/*', '[a-b]', 'a/./b', '**/*.md', 'c/?')), {
        minLength: 1,
        maxLength: 3,
      }),
      excludes: fc.array(line, { maxLength: 2 }),
      parents: fc.boolean(),
    })
    .map((each) => ({
      ...copy(...each.patterns),
      excludes: each.excludes.filter((one) => one !== ''),
      parents: each.parents,
    }));
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 3, maxLength: 20 }),
      selection,
      ignoreFile,
      async (steps, each, ignore) => {
        const root = folder({ 'a/b/c': '1' });
        git(root, 'init', '-q');
        for (const one of steps) play(root, one);
        writeFileSync(join(root, '.dockerignore'), ignore);
        const fromGit = [...(await (await open(root)).select([each]))];
        rmSync(join(root, '.git'), { recursive: true });
        expect(fromGit).toEqual([...(await (await open(root)).select([each]))]);
        rmSync(root, { recursive: true, force: true });
      },
    ),
    { numRuns: rounds },
  );
});
