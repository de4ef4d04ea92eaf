import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { createHash, type Hash } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import type { Platform } from '../../src/oci/platform.ts';
import { runChecked } from '../../src/process/run.ts';
import { architecture, distribution, extractPackages, installPackages, machineMirror } from './apt.ts';
import { toolsFolder } from './engines.ts';

/** The seconds since 1970 that stand in every file and config of a base that is made here. */
const epoch = 1_700_000_000;

const tarOptions = ['--sort=name', `--mtime=@${epoch}`, '--numeric-owner', '--format=gnu'];

/** A minimal system of the machine's own distribution, as a tar of its root file system. Cached. */
export async function baseImage(suite?: string, note: (text: string) => void = () => {}): Promise<string> {
  const { codename } = await distribution();
  const name = suite ?? codename;
  const file = join(toolsFolder, 'bases', `${name}-${await architecture()}.tar`);
  if (existsSync(file)) return file;
  await installPackages(['debootstrap'], note);
  note(`making a minimal ${name} with debootstrap`);
  const mirror = await machineMirror(codename);
  return makeTar(file, async (root) => {
    await runChecked('debootstrap', ['--variant=minbase', name, root, mirror]);
    for (const path of [
      'var/log',
      'var/cache/apt',
      'var/lib/apt/lists',
      'var/cache/ldconfig/aux-cache',
      'var/cache/debconf',
    ]) {
      await rm(join(root, path), { recursive: true, force: true });
    }
    await mkdir(join(root, 'var/log'), { recursive: true });
    await mkdir(join(root, 'var/cache/apt/archives/partial'), { recursive: true });
    await mkdir(join(root, 'var/lib/apt/lists/partial'), { recursive: true });
  });
}

/** busybox alone, about 2 MB: a base on which tests build in a second. Cached. */
export async function tinyBase(note: (text: string) => void = () => {}): Promise<string> {
  const file = join(toolsFolder, 'bases', `busybox-${await architecture()}.tar`);
  if (existsSync(file)) return file;
  const { codename } = await distribution();
  const request = {
    cache: join(toolsFolder, 'bases'),
    name: 'busybox',
    suites: [codename],
    packages: ['busybox-static'],
  };
  const extracted = await extractPackages(request, note);
  return makeTar(file, async (root) => {
    for (const folder of ['bin', 'etc', 'tmp', 'root', 'usr/bin', 'proc', 'sys', 'dev']) {
      await mkdir(join(root, folder), { recursive: true });
    }
    const busybox = [join(extracted, 'bin/busybox'), join(extracted, 'usr/bin/busybox')].find((path) =>
      existsSync(path),
    )!;
    await runChecked('cp', [busybox, join(root, 'bin/busybox')]);
    const applets = (await runChecked(busybox, ['--list'])).trim().split('\n');
    for (const applet of applets) if (applet !== 'busybox') await symlink('busybox', join(root, 'bin', applet));
    await writeFile(
      join(root, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    );
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
    await runChecked('chmod', ['1777', join(root, 'tmp')]);
  });
}

async function makeTar(file: string, fill: (root: string) => Promise<void>): Promise<string> {
  const folder = join(toolsFolder, 'bases');
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.making-'));
  try {
    const root = join(work, 'root');
    await mkdir(root, { mode: 0o755 });
    await fill(root);
    await runChecked('tar', [...tarOptions, '-cf', join(work, 'rootfs.tar'), '-C', root, '.']);
    await rename(join(work, 'rootfs.tar'), file);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return file;
}

export interface BaseLayout {
  manifest: Descriptor;
  config: Digest;
  diffId: Digest;
}

function counting(): { stream: Transform; digest(): Digest; size(): number } {
  const hash: Hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, digest: () => `sha256:${hash.digest('hex')}`, size: () => size };
}

/** Writes an OCI image layout with one image of one filesystem layer, the tar compressed with gzip. */
export async function writeBaseLayout(
  rootfsTar: string,
  dir: string,
  { reference, platform, env }: { reference: string; platform: Platform; env?: string[] },
): Promise<BaseLayout> {
  const blobs = join(dir, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  const plain = counting();
  const packed = counting();
  const temporary = join(blobs, '.layer');
  await pipeline(
    createReadStream(rootfsTar),
    plain.stream,
    createGzip({ level: 6 }),
    packed.stream,
    createWriteStream(temporary),
  );
  const diffId = plain.digest();
  const layer: Descriptor = { mediaType: mediaType.layerGzip, digest: packed.digest(), size: packed.size() };
  await rename(temporary, join(blobs, hexOf(layer.digest)));

  const put = async (type: string, value: unknown): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    await writeFile(join(blobs, hexOf(digest)), bytes);
    return { mediaType: type, digest, size: bytes.length };
  };
  const created = new Date(epoch * 1000).toISOString();
  const config = await put(mediaType.config, {
    created,
    ...platform,
    config: { Env: env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], Cmd: ['/bin/sh'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'a root file system' }],
  });
  const manifest = await put(mediaType.manifest, {
    schemaVersion: 2,
    mediaType: mediaType.manifest,
    config,
    layers: [layer],
  });
  const annotations = { 'org.opencontainers.image.ref.name': reference };
  const index = { schemaVersion: 2, mediaType: mediaType.index, manifests: [{ ...manifest, platform, annotations }] };
  await writeFile(join(dir, 'index.json'), JSON.stringify(index));
  await writeFile(join(dir, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  if ((await stat(join(blobs, hexOf(layer.digest)))).size !== layer.size) throw new Error('the layer was cut short');
  return { manifest: { ...manifest, platform: { ...platform } }, config: config.digest, diffId };
}
