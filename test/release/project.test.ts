import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openProject } from '../../src/project/open.ts';
import { silent } from '../../src/progress.ts';
import { readRelease } from '../../src/release/release-store.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey, type SigningKey } from '../../src/signing/openpgp.ts';
import { noise } from '../delta/sample-image.ts';
import { imgbuild } from '../e2e/cli.ts';
import { writeTree } from '../plan/saved-project.ts';
import { filesOfProject, makeSmallProject, releaseSaved, saveImages } from './saved-project.ts';

// Each makes whole releases: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

let folder: string;
let privateKey: string;
let signKey: SigningKey;
beforeAll(async () => {
  ({ privateKey } = await generateSigningKey('Demo <demo@example.com>'));
  signKey = await readSigningKey(Buffer.from(privateKey), 'the key');
});
beforeEach(() => {
  folder = makeSmallProject();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const release = (version: string, over = {}) => releaseSaved(folder, version, over);
const env = () => ({ PATH: process.env.PATH, HOME: folder, XDG_CACHE_HOME: join(folder, '.imgbuild/cache') });
const cli = (...args: string[]) => imgbuild(folder, env(), ...args);
const isReleased = async (version: string) =>
  (await readRelease((await openProject({ directory: folder })).store, version)) !== undefined;
const checkSums = (directory: string) =>
  execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: directory }).toString();
/** Two releases, the second one with a signed delta. */
async function releaseTwo(over = {}) {
  await release('1.0.0');
  writeTree(folder, { 'service/app.txt': 'two' });
  return release('1.1.0', { signKey, ...over });
}

describe('a dry run of a release that is there', () => {
  test('writes nothing, into no folder, and says what the version holds', async () => {
    const made = await release('1.0.0');
    const [before, shared] = [await filesOfProject(folder), readdirSync(tmpdir())];
    const result = await release('1.0.0', { dryRun: true, output: join(folder, 'out') });
    expect(result).toMatchObject({ outcome: 'dry-run', directory: null, file: null, tags: [] });
    expect(result.release).toEqual(made.release);
    expect(await filesOfProject(folder)).toEqual(before);
    expect(readdirSync(tmpdir())).toEqual(shared);
  });

  test('on the command line tells of images, packages and deltas', async () => {
    await releaseTwo();
    const before = await filesOfProject(folder);
    const { exitCode, stdout, stderr } = await cli('release', '--version', '1.1.0', '--dry-run');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(
      /^1\.1\.0 is released already, after 1\.0\.0; its images are those of now\n {2}quick_service \(linux\/\w+\) {2}sha256:/,
    );
    for (const part of ['quick-service_1.1.0_', 'quick-files_1.0.0_all.deb', 'quick_1.0.0_1.1.0_linux-']) {
      expect(stdout).toContain(part);
    }
    expect(await filesOfProject(folder)).toEqual(before);
  });

  test('with other images is refused as the release itself is', async () => {
    await release('1.0.0');
    writeTree(folder, { 'service/app.txt': 'two' });
    await expect(release('1.0.0', { dryRun: true })).rejects.toThrow('has 1.0.0 with other content');
  });
});

describe('the output folder of a release', () => {
  test('with a signed delta has all files, and a second run finds them by their bytes', async () => {
    const made = await releaseTwo();
    expect(made).toMatchObject({ outcome: 'released', missing: [] });
    expect(readdirSync(made.directory!).toSorted()).toEqual(
      [
        ...made.release!.debs.map(({ file }) => file),
        made.release!.deltas[0]!.file,
        'release.json',
        'SHA256SUMS',
        'SHA256SUMS.asc',
      ].toSorted(),
    );
    checkSums(made.directory!);
    const again = await release('1.1.0');
    expect(again).toMatchObject({ outcome: 'unchanged', missing: [] });
    expect(readFileSync(join(made.directory!, 'SHA256SUMS'), 'utf8')).toContain(made.release!.deltas[0]!.sha256);
    checkSums(made.directory!);
  });

  test('that cannot be one is an error before anything is released: a file, or a path below a file', async () => {
    await saveImages(folder);
    writeFileSync(join(folder, 'afile'), 'f');
    const before = await filesOfProject(folder);
    for (const output of ['afile', 'afile/below']) {
      await expect(release('1.0.0', { output: join(folder, output) })).rejects.toMatchObject({
        name: 'Failure',
        because: 'a file is in the way',
        fix: expect.stringContaining('-o'),
      });
    }
    expect(await filesOfProject(folder)).toEqual(before);
    expect(await isReleased('1.0.0')).toBe(false);
  });

  test('in which a file cannot get its name holds nothing new, and nothing is released', async () => {
    const output = join(folder, 'out');
    await release('1.0.0');
    writeTree(folder, { 'service/app.txt': 'two' });
    const file = `quick-service_1.1.0_${process.arch === 'arm64' ? 'arm64' : 'amd64'}.deb`;
    mkdirSync(join(output, file, 'x'), { recursive: true });
    await expect(release('1.1.0', { signKey, output })).rejects.toMatchObject({ because: 'a folder is in the way' });
    expect(await isReleased('1.1.0')).toBe(false);
    expect(readdirSync(output)).toEqual([file]);
  });

  test('is not there after a release that failed', async () => {
    const project = await saveImages(folder);
    project.store.listTags = () => Promise.reject(new Error('no answer'));
    const { releaseProject } = await import('../../src/project/release.ts');
    const output = join(folder, 'new/out');
    const options = { version: '1.0.0', dryRun: false, frozen: false, output, env: env(), progress: silent };
    const signal = new AbortController().signal;
    await expect(releaseProject(project, { ...options, signal, onEvent: () => {} })).rejects.toThrow('no answer');
    expect(readdirSync(folder)).not.toContain('new');
    expect(readdirSync(join(folder, '.imgbuild/release'))).toEqual([]);
  });

  test('is not there, and nothing is released, where a delta cannot be published', async () => {
    await release('1.0.0');
    writeTree(folder, { 'service/app.txt': 'two' });
    const project = await saveImages(folder);
    // A folder that claims to be a registry, which refuses.
    const putReferrer = () => Promise.reject(new Error('no right'));
    Object.assign(project.store, { putReferrer });
    const { releaseProject } = await import('../../src/project/release.ts');
    const options = { version: '1.1.0', dryRun: false, frozen: false, signKey, env: env(), progress: silent };
    const signal = new AbortController().signal;
    await expect(releaseProject(project, { ...options, signal, onEvent: () => {} })).rejects.toThrow('no right');
    expect(await isReleased('1.1.0')).toBe(false);
    expect(readdirSync(join(folder, '.imgbuild/release'))).toEqual(['1.0.0']);
  });

  test('never is said to hold a delta that it does not', async () => {
    const { release: made, directory } = await releaseTwo();
    const { file } = made!.deltas[0]!;
    rmSync(join(directory!, file));
    const notes: string[] = [];
    const again = await release('1.1.0', { progress: { ...silent, note: (text: string) => notes.push(text) } });
    expect(again.missing).toEqual(made!.deltas);
    expect(notes).toEqual([expect.stringContaining(`${file} is not in ${directory}`)]);
    checkSums(directory!);
    const { stdout, stderr } = await cli('release', '--version', '1.1.0');
    expect(stdout).not.toContain(file);
    expect(stderr).toContain('ota diff 1.0.0 1.1.0');
    // Another delta of the same name is not the one that was released.
    writeFileSync(join(directory!, file), Buffer.alloc(made!.deltas[0]!.size));
    expect((await release('1.1.0')).missing).toEqual(made!.deltas);
  });
});

test('packages and deltas are in the output folder before the release is committed, release.json after it', async () => {
  await release('1.0.0');
  writeTree(folder, { 'service/app.txt': 'two' });
  const project = await saveImages(folder);
  const { releaseProject } = await import('../../src/project/release.ts');
  const output = join(folder, 'out');
  const put = project.store.putManifest.bind(project.store);
  let there: string[] = [];
  let lost: Error | undefined;
  project.store.putManifest = async (repository, ...rest) => {
    if (repository !== 'releases') return put(repository, ...rest);
    there = readdirSync(output);
    if (lost !== undefined) throw lost;
    await put(repository, ...rest);
    throw new Error('the answer is lost');
  };
  const options = { version: '1.1.0', dryRun: false, frozen: false, output, env: env(), progress: silent, signKey };
  const run = () => releaseProject(project, { ...options, signal: new AbortController().signal, onEvent: () => {} });
  // Nothing was put: nothing is left.
  lost = new Error('no right');
  await expect(run()).rejects.toThrow('no right');
  expect(there).toHaveLength(3);
  expect(readdirSync(folder)).not.toContain('out');
  // It was put, and nobody heard of it: the delta that was signed is kept.
  lost = undefined;
  await expect(run()).rejects.toThrow('the answer is lost');
  expect(readdirSync(output).toSorted()).toEqual(there.toSorted());
  project.store.putManifest = put;
  const result = await run();
  expect(result).toMatchObject({ outcome: 'unchanged', missing: [] });
  checkSums(output);
});

test('what a killed release left is removed by the next one, whatever its version, and no living one’s', async () => {
  const { makeTemporaryFolder } = await import('../../src/files/temporary-folder.ts');
  const parent = join(folder, '.imgbuild/release');
  const living = await makeTemporaryFolder(parent, '.making-');
  const script = `
    import { makeTemporaryFolder } from ${JSON.stringify(join(import.meta.dirname, '../../src/files/temporary-folder.ts'))};
    await makeTemporaryFolder(process.argv[1], '.making-');
    process.kill(process.pid, 'SIGKILL');`;
  try {
    execFileSync(process.execPath, ['--input-type=module', '-e', script, parent], { stdio: 'ignore' });
  } catch {
    // It was killed.
  }
  expect(readdirSync(parent)).toHaveLength(2);
  await release('1.0.0');
  expect(
    readdirSync(parent)
      .map((name) => join(parent, name))
      .toSorted(),
  ).toEqual([living.path, join(parent, '1.0.0')].toSorted());
  await living.remove();
  expect(statSync(join(parent, '1.0.0')).isDirectory()).toBe(true);
});

describe('an unchanged package', () => {
  /** Releases with this content of the package of files; returns the version that the package has. */
  async function filesAt(version: string, content: string): Promise<string> {
    writeTree(folder, { 'files/a.txt': content });
    const { release: made } = await release(version);
    return made!.debs.find(({ name }) => name === 'quick-files')!.version;
  }

  test('never is of a lower version than that of the release before: hosts would not take it', async () => {
    expect(await filesAt('1.0.0', 'a')).toBe('1.0.0');
    expect(await filesAt('1.1.0', 'b')).toBe('1.1.0');
    expect(await filesAt('1.0.1', 'hotfix')).toBe('1.0.1');
    expect(await filesAt('1.2.0', 'hotfix')).toBe('1.2.0');
    // Nor of one that was made later for an older line.
    expect(await filesAt('1.1.1', 'c')).toBe('1.1.1');
    expect(await filesAt('1.0.2', 'hotfix')).toBe('1.0.2');
    expect(await filesAt('1.3.0', 'hotfix')).toBe('1.3.0');
    expect(await filesAt('1.4.0', 'hotfix')).toBe('1.3.0');
  });

  test('keeps its version in a hotfix of an older line, and what was released stays as it is', async () => {
    expect(await filesAt('1.0.0', 'a')).toBe('1.0.0');
    expect(await filesAt('1.1.0', 'a')).toBe('1.0.0');
    expect(await filesAt('2.0.0', 'b')).toBe('2.0.0');
    expect(await filesAt('1.1.1', 'a')).toBe('1.0.0');
    expect(await filesAt('1.0.5', 'c')).toBe('1.0.5');
    writeTree(folder, { 'files/a.txt': 'a' });
    expect((await release('1.1.0')).outcome).toBe('unchanged');
    expect(await filesAt('1.1.2', 'a')).toBe('1.1.2');
  });

  test('in parts, or of a model, was packed anew since, and the old release is run again as it was', async () => {
    writeTree(folder, {
      'imgbuild.yaml': `${readFileSync(join(folder, 'imgbuild.yaml'), 'utf8')}    split: 1MB
models:
  mood: { files: [parts, files/a.txt], targets: [deb], split: 1MB }
`
        .replace('{ src: files/a.txt,', '{ src: parts/*,')
        .replace('/usr/share/quick/a.txt', '/usr/share/quick'),
      'parts/1': noise(700_000, '1').toString('base64'),
      'parts/2': noise(700_000, '2').toString('base64'),
      'files/a.txt': 'a',
    });
    const versions = async (version: string) =>
      (await release(version))
        .release!.debs.filter(({ name }) => name !== 'quick-service')
        .map(({ name, version: own }) => `${name} ${own}`)
        .toSorted();
    const all = (version: string) =>
      ['quick-files', 'quick-files-part2', 'quick-model-mood', 'quick-model-mood-part2'].map(
        (name) => `${name} ${version}`,
      );
    expect(await versions('1.0.0')).toEqual(all('1.0.0'));
    writeTree(folder, { 'parts/2': 'other', 'files/a.txt': 'b' });
    await release('1.1.0');
    writeTree(folder, { 'parts/2': noise(700_000, '2').toString('base64'), 'files/a.txt': 'a' });
    expect(await versions('1.2.0')).toEqual(all('1.2.0'));
    const again = await release('1.0.0');
    expect(again.outcome).toBe('unchanged');
    checkSums(again.directory!);
    // Nor does it matter that the store has lost what was packed of them.
    const store = join(folder, '.imgbuild/store');
    for (const { sha256 } of [...again.release!.debs, ...(await release('1.2.0')).release!.debs]) {
      if (again.release!.debs.some((deb) => deb.sha256 === sha256 && deb.name === 'quick-service')) continue;
      rmSync(join(store, 'blobs/sha256', sha256), { force: true });
    }
    rmSync(again.directory!, { recursive: true });
    const third = await release('1.0.0');
    expect(third.outcome).toBe('unchanged');
    checkSums(third.directory!);
  });

  test('of a pre-release is packed anew by the final one', async () => {
    expect(await filesAt('1.1.0-rc.1', 'a')).toBe('1.1.0~rc.1');
    expect(await filesAt('1.1.0-rc.2', 'a')).toBe('1.1.0~rc.1');
    expect(await filesAt('1.1.0', 'a')).toBe('1.1.0');
    expect(await filesAt('1.2.0-rc.1', 'a')).toBe('1.1.0');
    expect(await filesAt('1.2.0', 'a')).toBe('1.1.0');
    for (const version of ['1.1.0-rc.1', '1.1.0-rc.2']) {
      const again = await release(version);
      expect(again.outcome).toBe('unchanged');
      checkSums(again.directory!);
    }
    writeTree(folder, { 'files/a.txt': 'b' });
    await expect(release('1.1.0-rc.2')).rejects.toThrow('has 1.1.0-rc.2 with other content');
  });
});
