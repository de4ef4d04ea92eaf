import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { layerFormats } from '../../src/delta/encode-image.ts';
import { silent } from '../../src/progress.ts';
import { noise, sampleTar } from './sample-image.ts';
import { app, base, folder, leftovers, make, newApp, put, verify } from '../support/made-bundle.ts';

describe('what cannot be made leaves nothing behind', () => {
  test.each(['old.tar', 'new.tar'])('a flipped bit in %s', async (name) => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    const bytes = readFileSync(join(folder, name));
    // In the middle of the last blob, which is the manifest; before it config and filesystem layers.
    const offset = bytes.indexOf(Buffer.from([0x1f, 0x8b])) + 2000;
    bytes[offset]! ^= 1;
    writeFileSync(join(folder, name), bytes);
    await expect(make()).rejects.toThrow(/digest|unpacked/);
    expect(readdirSync(folder).toSorted()).toEqual(['new.tar', 'old.tar']);
  });

  test('an interrupt', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    for (const calls of [1, 2, 3, 5]) {
      const controller = new AbortController();
      let seen = 0;
      const progress = {
        ...silent,
        transfer: () => ({
          add: () => {
            if (++seen === calls) controller.abort(new Error('stopped'));
          },
          end() {},
        }),
      };
      await expect(make({ progress, signal: controller.signal })).rejects.toThrow('stopped');
      expect(readdirSync(folder).toSorted()).toEqual(['new.tar', 'old.tar']);
    }
  });

  test('disk full', async () => {
    const small = join(folder, 'small');
    mkdirSync(small);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      // Without the right to mount there is no full disk to be had; one whose folder is gone fails the same way.
      rmSync(small, { recursive: true });
      writeFileSync(small, '');
    }
    try {
      put('old.tar', [base, app]);
      put('new.tar', [base, sampleTar([{ name: 'new', bytes: noise(2_000_000, 'full') }])]);
      await expect(make({ output: join(small, 'out.ota.tar') })).rejects.toThrow(/no space left|ENOTDIR|EEXIST/);
      expect(statSync(small).isFile() ? [] : readdirSync(small)).toEqual([]);
    } finally {
      if (statSync(small).isDirectory()) execFileSync('umount', [small]);
    }
  });
});

describe('damaged bundles', () => {
  test.each(layerFormats)(
    'every cut and flipped byte is an error, or changes nothing that counts, format %s',
    async (format) => {
      put('old.tar', [base, app]);
      const target = put('new.tar', [base, newApp]);
      await make({ format });
      const good = readFileSync(join(folder, 'out.ota.tar'));
      const bad = join(folder, 'bad.ota.tar');
      const problems: string[] = [];
      const attempt = async (bytes: Buffer, what: string) => {
        writeFileSync(bad, bytes);
        const outcome = await verify(bad).catch((error: Error) => error);
        if (outcome instanceof Error ? outcome.name !== 'Failure' : outcome.images[0]!.config !== target.config)
          problems.push(`${what}: ${String(outcome)}`);
      };
      let seed = 1;
      const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
      for (let round = 0; round < 150; round++) {
        const bytes = Buffer.from(good);
        const at = random(bytes.length);
        bytes[at]! ^= 1 << random(8);
        await attempt(bytes, `flip at ${at}`);
        const end = random(good.length);
        await attempt(good.subarray(0, end), `cut at ${end}`);
      }
      expect(problems).toEqual([]);
      expect(leftovers()).toEqual([]);
    },
    60_000,
  );

  test('wrong source image', async () => {
    put('old.tar', [base, app]);
    put('new.tar', [base, newApp]);
    await make();
    put('other.tar', [base]);
    await expect(verify(undefined, 'oci-archive:other.tar')).rejects.toThrow(/it starts from the image sha256:/);
  });

  test('a whole image is no delta', async () => {
    put('old.tar', [base, app]);
    await expect(verify(join(folder, 'old.tar'))).rejects.toThrow(/not a delta/);
    writeFileSync(join(folder, 'text'), 'hello');
    await expect(verify(join(folder, 'text'))).rejects.toThrow(/no bundle|cut off/);
    await expect(verify(join(folder, 'missing'))).rejects.toThrow(/no such file/);
  });
});
