import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { actionNames, publishedNames } from '../../scripts/build.ts';

const root = path.resolve(import.meta.dirname, '../..');
const { tools } = inject('workflows');
const workflows = readdirSync(path.join(root, '.github/workflows')).map((name) => `.github/workflows/${name}`);
const callers = readdirSync(path.join(root, 'examples/callers'))
  .filter((name) => name.endsWith('.yml'))
  .map((name) => `examples/callers/${name}`);
const actions = [
  'action.yml',
  ...actionNames.map((name) => `actions/${name}/action.yml`),
  ...publishedNames.map((name) => `${name}/action.yml`),
];

function output(program: string, args: readonly string[], cwd = root): string {
  const { stdout, stderr, status } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  return status === 0 && stdout.trim() === '' ? '' : `exit ${status}\n${stdout}${stderr}`.trim();
}

const githubParser = (folder: string, files: readonly string[]) => {
  const support = path.join(root, 'test/support');
  const args = ['--import', path.join(support, 'json-import.ts'), path.join(support, 'github-parser.ts'), folder];
  const { stdout, stderr, status } = spawnSync(process.execPath, [...args, ...files], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout;
};

/** A copy of what is published, in which one file can be spoilt or rewritten. */
let copy: string;
beforeAll(() => {
  copy = mkdtempSync(path.join(tmpdir(), 'imgbuild-static-'));
  for (const file of [...workflows, ...actions, 'dist']) {
    cpSync(path.join(file === 'dist' ? inject('workflows').published : root, file), path.join(copy, file), {
      recursive: true,
    });
  }
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

function changed<T>(file: string, change: (text: string) => string, check: () => T): T {
  const target = path.join(copy, file);
  const before = readFileSync(target, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(target, after);
  try {
    return check();
  } finally {
    writeFileSync(target, before);
  }
}

describe("GitHub's own parser", () => {
  test('finds nothing in the workflows, the example callers and the actions', () => {
    expect(githubParser(root, [...workflows, ...callers, ...actions])).toBe('');
  });

  test('finds an unknown `needs`, and a missing input of a called workflow', () => {
    const file = '.github/workflows/ci.yml';
    const broken = changed(
      file,
      (text) => text.replace('  own-workflow:\n', '  own-workflow:\n    needs: nobody\n'),
      () => githubParser(copy, [file]),
    );
    expect(broken).toContain('nobody');
    const called = changed(
      file,
      (text) => text.replace('working-directory: test/', 'nowhere: test/'),
      () => githubParser(copy, [file]),
    );
    expect(called).toContain('nowhere');
  });

  test('finds an unknown runtime of an action', () => {
    const broken = changed(
      'build-layer/action.yml',
      (text) => text.replace('node24', 'node99'),
      () => githubParser(copy, ['build-layer/action.yml']),
    );
    expect(broken).toContain('node99');
  });
});

const actionlint = tools.actionlint.kind === 'ready' ? tools.actionlint.path : undefined;

describe.skipIf(actionlint === undefined)('actionlint', () => {
  test('finds nothing but what its configuration allows for references to ourselves', () => {
    expect(output(actionlint!, [...workflows, ...callers])).toBe('');
  });

  test('finds nothing with `$/` rewritten to `./`, where it checks the inputs and bundles behind it too', () => {
    for (const file of workflows) {
      const target = path.join(copy, file);
      writeFileSync(
        target,
        readFileSync(target, 'utf8').replaceAll('uses: $/', 'uses: ./').replace('  queue: max\n', ''),
      );
    }
    // The folder must look like a repository's root, or ./ is not looked up.
    spawnSync('git', ['init', '-q', copy]);
    expect(output(actionlint!, workflows, copy)).toBe('');
    const file = '.github/workflows/pull-request.yml';
    const broken = changed(
      file,
      (text) => text.replace('platform: ${{ matrix.platform }}', 'platforms: x'),
      () => output(actionlint!, [file], copy),
    );
    expect(broken).toContain('"platforms" is not defined');
  });
});

const zizmor = tools.zizmor.kind === 'ready' ? tools.zizmor.path : undefined;

describe.skipIf(zizmor === undefined)('zizmor', () => {
  const findings = (folder: string, files: readonly string[]) => {
    const { stdout, status } = spawnSync(zizmor!, ['--offline', '--no-progress', '--format=plain', ...files], {
      cwd: folder,
      encoding: 'utf8',
    });
    return status === 0 ? '' : stdout;
  };

  test('has no findings', () => {
    expect(findings(root, [...workflows, ...actions, ...callers])).toBe('');
  });

  test('finds an input that is written into a script', () => {
    const file = '.github/workflows/ota.yml';
    const broken = changed(
      file,
      (text) => `${text}      - run: echo \${{ inputs.from }}\n`,
      () => findings(copy, [file]),
    );
    expect(broken).toContain('template-injection');
  });
});
