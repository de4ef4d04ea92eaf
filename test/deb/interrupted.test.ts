import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { silent } from '../../src/progress.ts';
import { runPackingKills } from './kill-soak.ts';
import { pack } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

/** Runs `spoil` after the first bytes of the big file have been read. */
async function packSpoiled(spoil: (path: string, root: string) => void, contents: object = {}): Promise<unknown> {
  const config = makeProject(
    { 'ccai-data': deb({ compression: 'none', contents: [{ src: 'data', dst: '/opt/data', ...contents }] }) },
    { 'data/a-big': randomBytes(8_000_000), 'data/b-last': 'last' },
  );
  const directory = join(config.root, 'out');
  let spoiled = false;
  const progress = {
    ...silent,
    transfer: () => ({
      add() {
        if (!spoiled) spoil(join(config.root, 'data'), config.root);
        spoiled = true;
      },
      end() {},
    }),
  };
  const error = await pack(config, { directory, progress }).then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(readdirSync(directory), 'nothing is left behind').toEqual(
    error === undefined ? ['ccai-data_1.2.0_all.deb'] : [],
  );
  return error;
}

describe('a file that changes while it is packed', () => {
  test.each<[string, (folder: string) => void, RegExp]>([
    ['grows', (folder) => appendFileSync(join(folder, 'a-big'), 'more'), /reading data\/a-big: it became longer/],
    ['shrinks', (folder) => truncateSync(join(folder, 'a-big'), 5_000_000), /reading data\/a-big: it became shorter/],
    ['vanishes', (folder) => rmSync(join(folder, 'b-last')), /reading data\/b-last: it vanished/],
    [
      'is written to in place',
      (folder) => utimesSync(join(folder, 'a-big'), 1, 1),
      /reading data\/a-big: it was written to while it was packed/,
    ],
    [
      'is replaced by another',
      (folder) => {
        rmSync(join(folder, 'b-last'));
        writeFileSync(join(folder, 'c'), '');
        writeFileSync(join(folder, 'b-last'), 'tsal');
      },
      /reading data\/b-last: (another file took its place|it was written to)/,
    ],
    [
      'is replaced by a link',
      (folder) => {
        rmSync(join(folder, 'b-last'));
        symlinkSync('/etc/passwd', join(folder, 'b-last'));
      },
      /reading data\/b-last: a symbolic link took its place/,
    ],
  ])('because it %s is an error, and no package is left', async (_, spoil, message) => {
    expect(String(await packSpoiled(spoil))).toMatch(message);
  });

  test('is told apart from one that does not', async () => {
    expect(await packSpoiled(() => {})).toBeUndefined();
  });
});

describe('no partial file under the final name', () => {
  test('after a cancel', async () => {
    const controller = new AbortController();
    const config = makeProject(
      { 'ccai-data': deb({ contents: [{ src: 'data', dst: '/opt/data' }] }) },
      { 'data/x': randomBytes(9e6) },
    );
    const directory = join(config.root, 'out');
    const progress = { ...silent, transfer: () => ({ add: () => controller.abort(new Error('stopped')), end() {} }) };
    await expect(pack(config, { directory, progress, signal: controller.signal })).rejects.toThrow('stopped');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('when the disk is full', async () => {
    if (process.getuid?.() !== 0) return;
    const directory = mkdtempSync(join(tmpdir(), 'imgbuild-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', directory]);
    try {
      const config = makeProject(
        { 'ccai-data': deb({ contents: [{ src: 'data', dst: '/opt/data' }] }) },
        { 'data/x': randomBytes(5e6) },
      );
      await expect(pack(config, { directory })).rejects.toMatchObject({
        because: 'the disk is full',
        fix: 'free some space, or choose another folder with -o',
      });
      for (const compression of ['xz', 'zstd', 'gzip'] as const) {
        config.debs[0]!.compression = compression;
        await expect(pack(config, { directory })).rejects.toMatchObject({ because: 'the disk is full' });
      }
      expect(readdirSync(directory)).toEqual([]);
    } finally {
      execFileSync('umount', [directory]);
    }
  });

  test('and what a killed run left is gone after a later one; what somebody writes stays', async () => {
    const config = makeProject({ 'ccai-data': deb({ contents: [{ src: 'data', dst: '/opt' }] }) }, { 'data/x': 'x' });
    const directory = join(config.root, 'out');
    mkdirSync(directory);
    const dead = spawnSync('true').pid;
    const partial = (pid: number, seconds: number) => {
      const name = `.ccai-data_1.2.0_all.deb.${pid}-0123456789abcdef.partial`;
      writeFileSync(join(directory, name), 'begun');
      utimesSync(join(directory, name), Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);
      return name;
    };
    const [old, living] = [partial(dead, 3600), partial(process.pid, 3600)];
    writeFileSync(join(directory, 'mine.partial'), 'mine');
    await pack(config, { directory });
    expect(readdirSync(directory)).not.toContain(old);
    expect(readdirSync(directory)).toEqual(expect.arrayContaining([living, 'mine.partial', 'ccai-data_1.2.0_all.deb']));
    const foreign = partial(dead, 10);
    await pack(config, { directory });
    expect(readdirSync(directory)).toContain(foreign);
  });

  // A hundred times by `npm run soak -- deb-kill`.
  test('after SIGKILL at random points', async () => {
    const { killed, whole } = await runPackingKills({ seed: 1, count: 3 });
    expect(killed).toBe(3);
    expect(whole).toBeGreaterThan(0);
  }, 180_000);
});
