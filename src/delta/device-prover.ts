import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceImage } from '../image-source/image.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { run } from '../process/run.ts';
import type { Progress } from '../progress.ts';
import { blobName, layoutBytes } from './bundle/format.ts';
import { memberOf, tarOf, type Member } from './bundle/member.ts';
import { oldVersion } from './bundle/packages.ts';
import { plainBytes, removePackage, unpackPackage } from './package-delta/plain-package.ts';
import { notProven, type Prover, type UnprovenBundle } from './prove.ts';

/** The program for devices, as a file that can be started. */
export interface DeviceProgram {
  /** Absolute. */
  path: string;
  /** Of the imgbuild release that it belongs to. */
  version: string;
  /** Of the file, in hex. */
  sha256: string;
}

/** The part of `imgbuild-ota verify --json` that counts here. */
interface Verification {
  images: { config: string; applied: boolean }[];
  packages?: { digest: string; carried: boolean; from?: string; applied: boolean }[];
}

/**
 * By the program that devices have: it judges the signature, and rebuilds every filesystem layer, and every package that goes as
 * a delta, in the memory of a device. It reads the old images from an archive, which takes as much of the disk as they do in a
 * registry, and the old packages unpacked.
 */
export function deviceProver({ path: program, version, sha256 }: DeviceProgram): Prover {
  const decoder = { name: 'imgbuild-ota' as const, version, sha256 };
  return { decoder, readsOldTars: false, prove: (bundle) => proveBy(program, bundle) };
}

async function proveBy(program: string, bundle: UnprovenBundle): Promise<void> {
  const { path, pairs, packages, signKey, temporary, progress, signal } = bundle;
  const archive = join(temporary, 'old-images.tar');
  const debs = join(temporary, 'old-packages');
  const keyring = join(temporary, 'keyring.asc');
  await writeArchive(
    archive,
    pairs.flatMap(({ from }) => from ?? []),
    progress,
    signal,
  );
  const isOfPackages = packages !== undefined && (await writePackages(debs, packages, signal));
  if (signKey !== undefined) await writeFile(keyring, signKey.publicKey);
  const trust = signKey === undefined ? ['--allow-unsigned'] : ['--keyring', keyring];
  const proving = progress.transfer('proving with the device program');
  try {
    // Nothing of this machine's Docker or settings counts.
    const env = { PATH: process.env['PATH'], TMPDIR: temporary };
    const from = ['--from', archive, ...(isOfPackages ? ['--packages', debs] : [])];
    const { exitCode, stdout, stderr } = await run(program, ['verify', path, ...from, '--json', ...trust], {
      env,
      signal,
    });
    if (exitCode !== 0) throw notProven(path, `the device program refuses it: ${stderr.trim()}`);
    const found = JSON.parse(stdout.toString('utf8')) as Verification;
    expectImages(path, found, pairs);
    expectPackages(path, found, packages);
  } finally {
    proving.end();
    await rm(archive, { force: true });
    await rm(debs, { recursive: true, force: true });
  }
}

/** The config names the filesystem layers, so that both are right where its digest is, and each was rebuilt. */
function expectImages(path: string, { images }: Verification, pairs: UnprovenBundle['pairs']): void {
  const isSame =
    images.length === pairs.length &&
    images.every(({ config, applied }, at) => applied && config === pairs[at]!.to.config.descriptor.digest);
  if (!isSame) throw notProven(path, `what it makes is not ${pairs.map(({ to }) => to.name).join(', ')}`);
}

function expectPackages(path: string, { packages = [] }: Verification, wanted: UnprovenBundle['packages']): void {
  const changes = wanted?.changes ?? [];
  const isSame =
    packages.length === changes.length &&
    packages.every(({ digest, carried: isCarried, from, applied }, at) => {
      const { package: whole, carried } = changes[at]!;
      const isOne = digest === `sha256:${whole.sha256}` && isCarried === (carried.kind !== 'reused');
      return isOne && (carried.kind === 'delta' ? applied && from === carried.delta.from : from === undefined);
    });
  if (!isSame) throw notProven(path, 'its packages are not those of the release');
}

/**
 * The old packages that others are made from, unpacked: the program reads those without dpkg, which this machine may not
 * have. False where there is none.
 */
async function writePackages(
  folder: string,
  { changes, from }: NonNullable<UnprovenBundle['packages']>,
  signal: AbortSignal,
): Promise<boolean> {
  const old = changes.flatMap(({ package: to, carried }) =>
    carried.kind === 'delta' ? (oldVersion(from, to, carried.delta.from) ?? []) : [],
  );
  if (old.length === 0) return false;
  await mkdir(folder);
  for (const [at, each] of old.entries()) {
    const name = join(folder, String(at));
    const unpacked = await unpackPackage(each.bytes(), name);
    await writeFile(`${name}.deb`, plainBytes(unpacked), { signal, flag: 'wx', mode: 0o600 });
    await removePackage(unpacked);
  }
  return true;
}

/** An OCI layout of the images in one file, as skopeo's oci-archive. */
async function writeArchive(
  path: string,
  images: readonly SourceImage[],
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const index: ImageIndex = {
    schemaVersion: 2,
    mediaType: mediaType.index,
    manifests: images.map(({ manifest }) => manifest.descriptor),
  };
  const members = new Map<string, Member>();
  for (const member of [
    memberOf('oci-layout', layoutBytes),
    memberOf('index.json', Buffer.from(JSON.stringify(index))),
    ...images.flatMap(blobsOf),
  ]) {
    members.set(member.name, member);
  }
  const total = [...members.values()].reduce((sum, { size }) => sum + size, 0);
  const reading = progress.transfer('reading the old images', total);
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of tarOf(members.values())) {
      signal.throwIfAborted();
      for (let done = 0; done < chunk.length;) done += (await file.write(chunk, done)).bytesWritten;
      reading.add(chunk.length);
    }
  } finally {
    reading.end();
    await file.close();
  }
}

function blobsOf({ manifest, config, layers }: SourceImage): Member[] {
  return [
    memberOf(blobName(manifest.descriptor.digest), manifest.bytes),
    memberOf(blobName(config.descriptor.digest), config.bytes),
    ...layers.map(({ descriptor: { digest, size }, blob }) => ({ name: blobName(digest), size, open: () => blob() })),
  ];
}
