/**
 * Builds the program for devices into device/bin: one static file for each architecture, the same bytes from the same
 * sources and Go, whatever the folder; and its manual page, as packages have it. `node scripts/device.ts [ARCHITECTURE…]`; all without one.
 *
 * The sums of what a release of imgbuild has are committed (src/delta/device-sums.ts): actions fetch the programs and run
 * them only by these. `--sums` writes them. `--check` builds aside, and fails where they are others; without the Go that they
 * were made with it says that it compared nothing. `--release TAG` builds with that very Go, which it fetches where
 * it is not here, and fails unless the sums and the tag are those that are committed.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DeviceArchitecture, DeviceRelease } from '../src/delta/device-release.ts';
import { deviceRelease } from '../src/delta/device-sums.ts';
import { run, runChecked } from '../src/process/run.ts';
import { findProgram } from './support/apt.ts';

export const deviceArchitectures = ['amd64', 'arm64'] as const satisfies readonly DeviceArchitecture[];

const root = resolve(import.meta.dirname, '..');
export const deviceFolder = join(root, 'device');
const output = join(deviceFolder, 'bin');
const sumsPath = join(root, 'src/delta/device-sums.ts');

/** Go's program, where there is one that is new enough for device/go.mod. */
export async function goProgram(): Promise<string | undefined> {
  const go = findProgram('go', `${process.env['PATH'] ?? ''}:/usr/local/go/bin`);
  if (go === undefined) return undefined;
  const version = /go1\.([0-9]+)/.exec(await goVersion(go))?.[1];
  return Number(version) >= 25 ? go : undefined;
}

/** As `go1.26.8`. */
async function goVersion(go: string): Promise<string> {
  return (await run(go, ['env', 'GOVERSION'])).stdout.toString('utf8').trim();
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

/** What would be committed for these sources and this Go. */
async function sumsOf(go: string): Promise<DeviceRelease> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const aside = await mkdtemp(join(tmpdir(), 'imgbuild-device-'));
  try {
    const [amd64, arm64] = [
      await sumOf(await buildDeviceProgram(go, 'amd64', aside)),
      await sumOf(await buildDeviceProgram(go, 'arm64', aside)),
    ];
    return { version, go: await goVersion(go), programs: { amd64, arm64 } };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

async function sumOf(path: string): Promise<{ sha256: string }> {
  const hash = createHash('sha256').update(await readFile(path));
  return { sha256: hash.digest('hex') };
}

/** src/delta/device-sums.ts as it is committed. */
export function sumsFile({ version, go, programs }: DeviceRelease): string {
  return `import type { DeviceRelease } from './device-release.ts';

/** Generated from device/ by \`npm run device -- --sums\`: the programs of the release that this commit belongs to. */
export const deviceRelease: DeviceRelease = {
  version: '${version}',
  go: '${go}',
  programs: {
    amd64: { sha256: '${programs.amd64.sha256}' },
    arm64: { sha256: '${programs.arm64.sha256}' },
  },
};
`;
}

/** Why the sums of these sources are not those that are committed; undefined where they are. */
export function differsFrom(committed: DeviceRelease, found: DeviceRelease): string | undefined {
  if (committed.version !== found.version) return `they are of ${committed.version}, and this is ${found.version}`;
  if (committed.go !== found.go) return `they were made with ${committed.go}, and this is ${found.go}`;
  const other = deviceArchitectures.filter((each) => committed.programs[each].sha256 !== found.programs[each].sha256);
  return other.length === 0 ? undefined : `the program for ${other.join(' and ')} is another one`;
}

async function main(args: readonly string[]): Promise<string | undefined> {
  const [option, tag] = args;
  if (option === '--release') {
    if (tag !== `v${deviceRelease.version}`) return `the tag is ${tag}, and the sums are of v${deviceRelease.version}`;
    process.env['GOTOOLCHAIN'] = deviceRelease.go;
  }
  const go = await goProgram();
  if (option === '--check' && (go === undefined || (await goVersion(go)) !== deviceRelease.go)) {
    console.log(`not compared: the sums were made with ${deviceRelease.go}, which is not here`);
    return undefined;
  }
  if (go === undefined) return 'there is no Go 1.25 or newer on PATH';
  if (option === '--sums') {
    await writeFile(sumsPath, sumsFile(await sumsOf(go)));
    return undefined;
  }
  if (option === '--check' || option === '--release') {
    const why = differsFrom(deviceRelease, await sumsOf(go));
    if (why !== undefined) return `the committed sums are stale: ${why}\n  to mend it: npm run device -- --sums`;
    if (option === '--check') return undefined;
  }
  const asked = option === '--release' ? [] : args;
  const known = deviceArchitectures.filter((each) => asked.length === 0 || asked.includes(each));
  if (asked.some((each) => !known.includes(each as DeviceArchitecture))) {
    process.exitCode = 2;
    return `the architectures are ${deviceArchitectures.join(' and ')}`;
  }
  for (const architecture of known) console.log(await buildDeviceProgram(go, architecture));
  console.log(await packManual());
  return undefined;
}

if (import.meta.main) {
  const failed = await main(process.argv.slice(2));
  if (failed !== undefined) {
    console.error(`building the device program: ${failed}`);
    process.exitCode ||= 1;
  }
}
