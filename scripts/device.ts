/**
 * Builds the program for devices into device/bin: one static file for each architecture, the same bytes from the same
 * sources and Go, whatever the folder; and its manual page, as packages have it. `node scripts/device.ts [ARCHITECTURE…]`; all without one.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { run, runChecked } from '../src/process/run.ts';
import { findProgram } from './support/apt.ts';

export const deviceArchitectures = ['amd64', 'arm64'] as const;
export type DeviceArchitecture = (typeof deviceArchitectures)[number];

const root = resolve(import.meta.dirname, '..');
export const deviceFolder = join(root, 'device');
const output = join(deviceFolder, 'bin');

/** Go's program, where there is one that is new enough for device/go.mod. */
export async function goProgram(): Promise<string | undefined> {
  const go = findProgram('go', `${process.env['PATH'] ?? ''}:/usr/local/go/bin`);
  if (go === undefined) return undefined;
  const version = /go1\.([0-9]+)/.exec((await run(go, ['env', 'GOVERSION'])).stdout.toString('utf8'))?.[1];
  return Number(version) >= 25 ? go : undefined;
}

/** What decides over the bytes is said here; nothing of it is taken from the environment or the configuration of Go. */
export function goEnvironment(architecture?: DeviceArchitecture): NodeJS.ProcessEnv {
  const target = architecture === undefined ? {} : { GOOS: 'linux', GOARCH: architecture };
  return { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOAMD64: 'v1', GOARM64: 'v8.0', ...target };
}

/** Returns the path of the program. */
export async function buildDeviceProgram(
  go: string,
  architecture: DeviceArchitecture,
  folder: string = output,
): Promise<string> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `imgbuild-ota-linux-${architecture}`);
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags=-s -w -buildid='];
  await runChecked(go, ['build', ...flags, '-o', path, './cmd/imgbuild-ota'], {
    cwd: deviceFolder,
    env: goEnvironment(architecture),
  });
  return path;
}

/** Returns the path of the page. */
export async function packManual(folder: string = output): Promise<string> {
  const path = join(folder, 'imgbuild-ota.8.gz');
  await writeFile(path, gzipSync(await readFile(join(deviceFolder, 'package/imgbuild-ota.8')), { level: 9 }));
  return path;
}

if (import.meta.main) {
  const go = await goProgram();
  const asked = process.argv.slice(2);
  const known = deviceArchitectures.filter((each) => asked.length === 0 || asked.includes(each));
  if (go === undefined) {
    console.error('building the device program: there is no Go 1.25 or newer on PATH');
    process.exitCode = 1;
  } else if (asked.some((each) => !known.includes(each as DeviceArchitecture))) {
    console.error(`building the device program: the architectures are ${deviceArchitectures.join(' and ')}`);
    process.exitCode = 2;
  } else {
    for (const architecture of known) console.log(await buildDeviceProgram(go, architecture));
    console.log(await packManual());
  }
}
