import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { silent, type Progress } from '../../src/progress.ts';
import { withFolderLock } from '../../src/store/folder-lock.ts';
import { failureOf, newFolder, put, world } from './support/archive.ts';
import { runKillSoak } from './kill-soak.ts';
import { makeDeb } from './support/make-deb.ts';
import { readArchive, versions } from './support/read-archive.ts';
import { privateKey, publishTo } from './support/signed-archive.ts';

// Programs and file systems take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

describe('several and interrupted publishers', () => {
  const program = [process.execPath, resolve(import.meta.dirname, '../../src/cli/main.ts')];
  const start = (folder: string, ...args: string[]) => {
    const env = { PATH: process.env.PATH, HOME: folder, IMGBUILD_SIGNING_KEY: privateKey };
    const child = spawn(program[0]!, [program[1]!, '-C', folder, 'apt', 'publish', ...args], { env, stdio: 'pipe' });
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const ended = new Promise<{ code: number | null; output: string }>((done) =>
      child.on('close', (code) => done({ code, output })),
    );
    return { child, ended };
  };

  test('two processes at once publish what both have', async () => {
    const { site } = world();
    const names = ['a', 'b', 'c', 'd'];
    const folders = await Promise.all(
      names.map(async (name) => {
        const folder = newFolder('debs');
        await put(folder, '1.0', `hello-${name}`);
        return folder;
      }),
    );
    const ended = await Promise.all(folders.map((folder) => start(folder, folder, '-o', site, '--name', 'ccai').ended));
    for (const { code, output } of ended) expect(code, output).toBe(0);
    expect(
      readArchive(site)
        .map((each) => each.Package)
        .toSorted(),
    ).toEqual(['ccai-archive-keyring', ...names.map((name) => `hello-${name}`)]);
  });

  test('a kill at any moment leaves the old archive or the new one, and the next run finishes', async () => {
    const { seen, unseen } = await runKillSoak({ folder: newFolder('killed'), seed: 7, count: 12 });
    expect(seen + unseen).toBe(12);
    expect(unseen).toBeGreaterThan(0);
  }, 120_000);

  test('whoever waits for another publication says so', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    const notes: string[] = [];
    const progress = { ...silent, note: (text: string) => void notes.push(text) };
    let done = () => {};
    const held = withFolderLock(join(site, '.imgbuild/lock'), () => new Promise<void>((released) => (done = released)));
    const published = publishTo(site, debs, { progress });
    while (notes.length === 0) await sleep(50);
    expect(notes).toEqual([`waiting for another publication into ${site}`]);
    expect(existsSync(join(site, 'dists'))).toBe(false);
    done();
    await held;
    expect((await published).packages).toBe(2);
  });

  test('stops waiting for another publication when it is aborted', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await mkdir(join(site, '.imgbuild/lock'), { recursive: true });
    const holder = spawn(process.execPath, [join(import.meta.dirname, 'support/lock-holder.ts'), site]);
    try {
      await once(holder.stdout, 'data');
      const stop = new AbortController();
      const published = publishTo(site, debs, { signal: stop.signal });
      setTimeout(() => stop.abort(new Error('stopped')), 200);
      await expect(published).rejects.toThrow('stopped');
    } finally {
      holder.kill('SIGKILL');
    }
    expect((await publishTo(site, debs)).packages).toBe(2);
  });

  test('a full disk leaves the old archive, and nothing half-written', async () => {
    const { site, debs } = world();
    if (process.getuid?.() !== 0) return; // Nobody else may mount.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', site]);
    try {
      await put(debs, '1.0');
      await publishTo(site, debs);
      const files = { 'usr/share/hello/data': randomBytes(3e6) };
      const large = await makeDeb(debs, { name: 'hello', version: '1.1', files });
      const failure = await failureOf(publishTo(site, debs));
      expect(failure.because).toBe('the disk is full');
      expect(versions(site)).toEqual(['1.0']);
      expect(readdirSync(join(site, '.imgbuild'))).toEqual(['.gitignore', 'lock']);
      rmSync(large);
      await put(debs, '1.2');
      await publishTo(site, debs);
      expect(versions(site)).toEqual(['1.2', '1.0']);
    } finally {
      execFileSync('umount', [site]);
    }
  });

  test('stopped by an abort, it publishes nothing', async () => {
    const { site, debs } = world();
    await put(debs, '1.0');
    await publishTo(site, debs);
    await put(debs, '1.1');
    const stop = new AbortController();
    const progress: Progress = {
      ...silent,
      transfer: (label) => ({ add: () => label.includes('1.1') && stop.abort(new Error('stopped')), end() {} }),
    };
    mkdirSync(join(debs, 'sub'));
    await put(join(debs, 'sub'), '1.2');
    await expect(publishTo(site, debs, { progress, signal: stop.signal })).rejects.toThrow('stopped');
    expect(versions(site)).toEqual(['1.0']);
    await publishTo(site, debs);
    expect(versions(site)).toEqual(['1.2', '1.1', '1.0']);
  });
});
