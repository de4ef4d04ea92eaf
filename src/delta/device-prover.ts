import { open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SourceImage } from '../image-source/image.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { run } from '../process/run.ts';
import type { Progress } from '../progress.ts';
import { blobName, layoutBytes } from './bundle/format.ts';
import { memberOf, tarOf, type Member } from './bundle/member.ts';
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
}

/**
 * By the program that devices have: it judges the signature, and rebuilds every filesystem layer in the memory of a device.
 * It reads the old images from an archive, which takes as much of the disk as they do in a registry.
 */
export function deviceProver({ path: program, version, sha256 }: DeviceProgram): Prover {
  return { decoder: { name: 'imgbuild-ota', version, sha256 }, prove: (bundle) => proveBy(program, bundle) };
}

async function proveBy(program: string, bundle: UnprovenBundle): Promise<void> {
  const { path, pairs, signKey, temporary, progress, signal } = bundle;
  const archive = join(temporary, 'old-images.tar');
  const keyring = join(temporary, 'keyring.asc');
  await writeArchive(
    archive,
    pairs.flatMap(({ from }) => from ?? []),
    progress,
    signal,
  );
  if (signKey !== undefined) await writeFile(keyring, signKey.publicKey);
  const trust = signKey === undefined ? ['--allow-unsigned'] : ['--keyring', keyring];
  const proving = progress.transfer('proving with the device program');
  try {
    // Nothing of this machine's Docker or settings counts.
    const env = { PATH: process.env['PATH'], TMPDIR: temporary };
    const args = ['verify', path, '--from', archive, '--json', ...trust];
    const { exitCode, stdout, stderr } = await run(program, args, { env, signal });
    if (exitCode !== 0) throw notProven(path, `the device program refuses it: ${stderr.trim()}`);
    expectTargets(path, stdout, pairs);
  } finally {
    proving.end();
    await rm(archive, { force: true });
  }
}

/** The config names the filesystem layers, so that both are right where its digest is, and each was rebuilt. */
function expectTargets(path: string, stdout: Buffer, pairs: UnprovenBundle['pairs']): void {
  const { images } = JSON.parse(stdout.toString('utf8')) as Verification;
  const isSame =
    images.length === pairs.length &&
    images.every(({ config, applied }, at) => applied && config === pairs[at]!.to.config.descriptor.digest);
  if (!isSame) throw notProven(path, `what it makes is not ${pairs.map(({ to }) => to.name).join(', ')}`);
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
