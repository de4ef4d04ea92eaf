import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { encodeHeader, padding, type TarHeader } from '../../src/tar/header.ts';

export type SampleEntry = { name: string } & (
  | { bytes: Buffer | string; mode?: number; mtime?: number }
  | { folder: true }
  | { link: string }
  | { symlink: string }
);

/** Bytes that look random and are the same in every run. */
export function noise(size: number, seed: number | string): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at * 32 < size; at++) parts.push(createHash('sha256').update(`${seed} ${at}`).digest());
  return Buffer.concat(parts).subarray(0, size);
}

export function sampleTar(entries: readonly SampleEntry[], mtime = 1_700_000_000): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const contents = 'bytes' in entry ? Buffer.from(entry.bytes) : Buffer.alloc(0);
    const type = 'bytes' in entry ? 'file' : 'folder' in entry ? 'directory' : 'link' in entry ? 'link' : 'symlink';
    const header: TarHeader = {
      name: entry.name,
      type,
      mode: ('mode' in entry ? entry.mode : undefined) ?? (type === 'directory' ? 0o755 : 0o644),
      uid: 0,
      gid: 0,
      size: contents.length,
      mtime: ('mtime' in entry ? entry.mtime : undefined) ?? mtime,
      linkName: 'link' in entry ? entry.link : 'symlink' in entry ? entry.symlink : '',
      userName: '',
      groupName: '',
      deviceMajor: 0,
      deviceMinor: 0,
    };
    parts.push(encodeHeader(header), contents, Buffer.alloc(padding(contents.length)));
  }
  parts.push(Buffer.alloc(1024));
  return Buffer.concat(parts);
}

export const sha256 = (bytes: Uint8Array) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface SampleImage {
  config: string;
  manifest: string;
  diffIds: string[];
}

export interface SampleOptions {
  env?: string[];
  cmd?: string[];
  compression?: 'gzip' | 'zstd' | 'none';
  /** org.opencontainers.image.ref.name. */
  reference?: string;
}

/** An OCI layout in memory: paths and bytes. */
export function sampleLayout(
  layers: readonly Buffer[],
  options: SampleOptions = {},
): { files: Map<string, Buffer>; image: SampleImage } {
  const compression = options.compression ?? 'gzip';
  const files = new Map<string, Buffer>();
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer) => {
    const digest = sha256(bytes);
    blobs.set(`blobs/sha256/${digest.slice(7)}`, bytes);
    return { digest, size: bytes.length };
  };
  const suffix = compression === 'none' ? '' : `+${compression}`;
  const descriptors = layers.map((layer) => ({
    mediaType: `application/vnd.oci.image.layer.v1.tar${suffix}`,
    ...put(compression === 'gzip' ? gzipSync(layer) : compression === 'zstd' ? zstdCompressSync(layer) : layer),
  }));
  const diffIds = layers.map(sha256);
  const config = put(
    Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
        os: 'linux',
        created: '2024-01-01T00:00:00Z',
        config: { Env: options.env ?? ['PATH=/bin'], Cmd: options.cmd ?? ['/bin/sh'] },
        rootfs: { type: 'layers', diff_ids: diffIds },
        history: layers.map(() => ({ created: '2024-01-01T00:00:00Z', created_by: 'sample' })),
      }),
    ),
  );
  const manifest = put(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
        layers: descriptors,
      }),
    ),
  );
  const annotations =
    options.reference === undefined ? undefined : { 'org.opencontainers.image.ref.name': options.reference };
  files.set('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  files.set(
    'index.json',
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest, annotations }],
      }),
    ),
  );
  for (const [path, bytes] of blobs) files.set(path, bytes);
  return { files, image: { config: config.digest, manifest: manifest.digest, diffIds } };
}

/** Writes an oci-archive. */
export function writeOciArchive(path: string, layers: readonly Buffer[], options: SampleOptions = {}): SampleImage {
  const { files, image } = sampleLayout(layers, options);
  writeFileSync(path, sampleTar([...files].map(([name, bytes]) => ({ name, bytes }))));
  return image;
}

/** Writes an OCI layout folder. */
export function writeOciFolder(path: string, layers: readonly Buffer[], options: SampleOptions = {}): SampleImage {
  const { files, image } = sampleLayout(layers, options);
  mkdirSync(join(path, 'blobs/sha256'), { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(path, name), bytes);
  return image;
}

/** Writes what Docker 20.10's `docker save` writes, but for its legacy files. */
export function writeDockerArchive(
  path: string,
  layers: readonly Buffer[],
  options: SampleOptions & { tags?: string[] } = {},
): SampleImage {
  const { files, image } = sampleLayout(layers, { ...options, compression: 'none' });
  const config = files.get(`blobs/sha256/${image.config.slice(7)}`)!;
  const names = image.diffIds.map((id, at) => `${at}-${id.slice(7, 19)}/layer.tar`);
  const saved = [{ Config: `${image.config.slice(7)}.json`, RepoTags: options.tags ?? null, Layers: names }];
  const entries: SampleEntry[] = names.map((name, at) => {
    const first = image.diffIds.indexOf(image.diffIds[at]!);
    return first < at ? { name, symlink: `../${names[first]!}` } : { name, bytes: layers[at]! };
  });
  entries.push({ name: `${image.config.slice(7)}.json`, bytes: config });
  entries.push({ name: 'manifest.json', bytes: JSON.stringify(saved) });
  writeFileSync(path, sampleTar(entries));
  return image;
}
