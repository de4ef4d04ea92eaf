import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  buildDeviceProgram,
  deviceArchitectures,
  deviceFolder,
  goEnvironment,
  goProgram,
} from '../../scripts/device.ts';
import { deviceProver } from '../../src/delta/device-prover.ts';
import { makeDelta } from '../../src/delta/make.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { run } from '../../src/process/run.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { filesOf, makeDeb } from '../delta/package-delta/debs.ts';
import { noise, sampleTar, writeOciArchive } from '../delta/sample-image.ts';

const go = await goProgram();
const folder = mkdtempSync(join(tmpdir(), 'imgbuild-device-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Ample: a cold cache compiles all of it, beside other tests. */
const patience = 600_000;
const env = goEnvironment();
const said = ({ stdout, stderr }: { stdout: Buffer; stderr: string }) => `${stdout.toString('utf8')}${stderr}`;

describe.skipIf(go === undefined)('the device program', () => {
  test('is formatted and passes go vet', { timeout: patience }, async () => {
    const gofmt = await run(go!.replace(/go$/, 'gofmt'), ['-l', '.'], { cwd: deviceFolder });
    expect(said(gofmt)).toBe('');
    const vet = await run(go!, ['vet', './...'], { cwd: deviceFolder, env });
    expect(vet.exitCode, said(vet)).toBe(0);
  });

  test('passes its own tests, the seeds of its fuzzing with them', { timeout: patience }, async () => {
    const result = await run(go!, ['test', '-p', '1', './...'], { cwd: deviceFolder, env });
    expect(result.exitCode, said(result)).toBe(0);
  });

  test.each(deviceArchitectures)(
    'is one static file for %s, the same from every build',
    { timeout: patience },
    async (architecture) => {
      const path = await buildDeviceProgram(go!, architecture, join(folder, 'one'));
      const elf = readFileSync(path);
      expect(elf.subarray(0, 4).toString('latin1')).toBe('\x7fELF');
      expect(elf.readUInt16LE(18)).toBe({ amd64: 62, arm64: 183 }[architecture]); // e_machine
      // No interpreter: PT_INTERP is the type 3 of a program header (elf(5)).
      const [start, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
      const types = Array.from({ length: count }, (_, at) => elf.readUInt32LE(start + at * size));
      expect(types).not.toContain(3);
      expect(statSync(path).size).toBeLessThan(12_000_000);
      expect(elf.includes(deviceFolder)).toBe(false);
      const again = readFileSync(await buildDeviceProgram(go!, architecture, join(folder, 'two')));
      expect(again.equals(elf)).toBe(true);
    },
  );

  test('accepts what `ota diff` signs, and nothing else', { timeout: patience }, async () => {
    const program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64', join(folder, 'one'));
    const options = { directory: folder, platform: hostPlatform(), store: () => Promise.reject(new Error('unused')) };
    const model = noise(200_000, 'model');
    writeOciArchive(join(folder, 'old.tar'), [sampleTar([{ name: 'app/model', bytes: model }])]);
    writeOciArchive(join(folder, 'new.tar'), [sampleTar([{ name: 'srv/model', bytes: model }])], {
      reference: 'app:2',
    });
    const [key, other] = [
      await generateSigningKey('Releases <releases@example.com>'),
      await generateSigningKey('Other'),
    ];
    const from = await openImages('oci-archive:old.tar', options);
    const to = await openImages('oci-archive:new.tar', options);
    const make = async (name: string, privateKey?: string) => {
      const output = join(folder, name);
      const signed = privateKey && { signKey: await readSigningKey(Buffer.from(privateKey), 'the key') };
      const signal = new AbortController().signal;
      // A file that is opened, and no account behind the filesystem layers, which the program does not read.
      const format = 'oci-delta' as const;
      await makeDelta({ from, to, output, name: 'app', format, progress: silent, signal, ...signed });
      return output;
    };
    const [signed, unsigned] = [await make('signed.ota.tar', key.privateKey), await make('unsigned.ota.tar')];
    // `ota diff` has it applied by this very program.
    const proven = await makeDelta({
      from,
      to,
      name: 'app',
      progress: silent,
      signal: new AbortController().signal,
      output: join(folder, 'proven.ota.tar'),
      signKey: await readSigningKey(Buffer.from(key.privateKey), 'the key'),
      prover: deviceProver({ path: program, version: '1.2.3', sha256: '' }),
    });
    expect(proven.provenBy.name).toBe('imgbuild-ota');
    await from.close();
    await to.close();
    const keyring = join(folder, 'keys.asc');
    writeFileSync(keyring, other.publicKey + key.publicKey);
    const wrongKeyring = join(folder, 'other.asc');
    writeFileSync(wrongKeyring, other.publicKey);
    const verify = (...args: string[]) => run(program, ['verify', ...args]);

    const good = await verify(signed, '--keyring', keyring, '--json');
    expect(good.exitCode, good.stderr).toBe(0);
    const report = JSON.parse(good.stdout.toString('utf8'));
    expect(report).toMatchObject({ schema: 1, name: 'app', images: [{ reference: 'app:2', reads: 1 }] });
    const refusals: [string, ...string[]][] = [
      ['it is not signed', unsigned, '--keyring', keyring],
      ['does not hold', signed, '--keyring', wrongKeyring],
      ['there is no such file', signed, '--keyring', join(folder, 'missing')],
    ];
    for (const [because, ...args] of refusals) {
      const refused = await verify(...args);
      expect(refused.stderr).toContain(because);
      expect(refused.exitCode).toBe(2);
    }
    expect((await verify(unsigned, '--allow-unsigned')).exitCode).toBe(0);
    const applied = await verify(signed, '--keyring', keyring, '--from', join(folder, 'old.tar'), '--json');
    expect(JSON.parse(applied.stdout.toString('utf8'))).toMatchObject({ images: [{ applied: true }] });
    const wrongImage = await verify(signed, '--keyring', keyring, '--from', join(folder, 'new.tar'));
    expect([wrongImage.exitCode, wrongImage.stderr]).toEqual([2, expect.stringContaining('holds no image')]);
    // One bit of a filesystem layer, far behind what is signed.
    const bytes = readFileSync(signed);
    bytes[bytes.length - 1024 - 600]! ^= 1;
    const altered = join(folder, 'altered.ota.tar');
    writeFileSync(altered, bytes);
    const refused = await verify(altered, '--keyring', keyring);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringMatching(/reading the (delta|bundle)/)]);
  });

  test('makes packages that `ota diff` codes, without dpkg', { timeout: patience }, async () => {
    const program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64', join(folder, 'one'));
    const options = { directory: folder, platform: hostPlatform(), store: () => Promise.reject(new Error('unused')) };
    const [one, two] = [makeDeb(folder, '1', 'xz', filesOf('1')), makeDeb(folder, '2', 'zstd', filesOf('2'))];
    const [old, other] = [join(folder, 'debs'), join(folder, 'other-debs')];
    for (const [place, { file }] of [
      [old, one],
      [other, two],
    ] as const) {
      mkdirSync(place);
      copyFileSync(file, join(place, 'some.deb'));
    }
    for (const name of ['1.0.0', '2.0.0']) {
      writeOciArchive(join(folder, `${name}.tar`), [sampleTar([{ name: 'app', bytes: noise(9000, name) }])]);
    }
    const from = { ...(await openImages('oci-archive:1.0.0.tar', options)), packages: [one] };
    const to = { ...(await openImages('oci-archive:2.0.0.tar', options)), packages: [two] };
    // The program finds no other one: it has the old package as it can read it itself.
    const alone = join(folder, 'alone.sh');
    writeFileSync(alone, `#!/bin/sh\nPATH= exec ${program} "$@"\n`, { mode: 0o755 });
    const { path, provenBy, packages } = await makeDelta({
      from,
      to,
      output: join(folder, 'packages.ota.tar'),
      progress: silent,
      signal: new AbortController().signal,
      prover: deviceProver({ path: alone, version: '1.2.3', sha256: '' }),
    });
    expect([provenBy.name, packages[0]!.kind]).toEqual(['imgbuild-ota', 'delta']);
    await from.close();
    await to.close();
    const verify = (debs: string) => run(program, ['verify', path, '--allow-unsigned', '--packages', debs]);
    const good = await verify(old);
    expect([good.exitCode, said(good)]).toEqual([0, expect.stringContaining(`applied to those of it in ${old}`)]);
    const refused = await verify(other);
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringContaining('it holds no app 1 for all')]);
  });

  test('reads what the public tool writes', { timeout: patience }, async () => {
    const program = await buildDeviceProgram(go!, process.arch === 'arm64' ? 'arm64' : 'amd64', join(folder, 'one'));
    for (const name of ['delta', 'delta-pax', 'same']) {
      const path = join(import.meta.dirname, `../fixtures/oci-delta/${name}.oci-delta.tar`);
      const result = await run(program, ['verify', path, '--allow-unsigned']);
      expect(result.exitCode, result.stderr).toBe(0);
    }
  });
});
