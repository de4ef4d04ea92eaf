import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BaseSource } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf, isDigest, type Digest } from '../oci/digest.ts';
import type { ImageIndex, StoredManifest } from '../oci/manifest.ts';
import { mediaType } from '../oci/media-type.ts';
import { parseManifest } from '../oci/parse-manifest.ts';
import type { ImageReader } from './image-reader.ts';

const refName = 'org.opencontainers.image.ref.name';

/** An OCI image layout (image-layout.md) as a repository: tags are the ref.name annotations of its index.json. */
export function layoutReader(source: BaseSource): ImageReader & {
  /** The image that `oci:DIR[:REF]` names; several manifests for different platforms count as one index. */
  root(): Promise<StoredManifest>;
} {
  const doing = `reading ${source.text}`;
  const broken = (
    because: string,
    fix = 'make the layout anew, or name another folder under bases:',
    cause?: unknown,
  ) => new Failure({ doing, because, fix, kind: 'input', cause });

  const blob = async (digest: Digest): Promise<Uint8Array | undefined> => {
    const path = join(source.path, 'blobs', 'sha256', hexOf(digest));
    try {
      const bytes = await readFile(path);
      if (digestOf(bytes) !== digest) throw broken(`${path} is damaged: its bytes are those of ${digestOf(bytes)}`);
      return bytes;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };

  const index = async (): Promise<ImageIndex> => {
    try {
      const parsed = parseManifest(await readFile(join(source.path, 'index.json')), mediaType.index);
      if (parsed.kind === 'index') return parsed.manifest;
    } catch (error) {
      if (error instanceof RangeError) throw broken(`index.json is ${error.message}`, undefined, error);
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw broken((error as Error).message, undefined, error);
      const fix = `make it, for example by \`skopeo copy docker://IMAGE oci:DIR:TAG\`, or correct \`bases:\` in imgbuild.yaml`;
      if (!existsSync(source.path)) throw broken(`the folder ${source.path} is not there`, fix, error);
      throw broken(`${source.path} is no OCI image layout: it has no index.json`, fix, error);
    }
    throw broken('index.json is a manifest, not an index');
  };

  const stored = async (digest: Digest, type?: string): Promise<StoredManifest | undefined> => {
    const bytes = await blob(digest);
    if (!bytes) return undefined;
    try {
      const parsed = parseManifest(bytes, type);
      return { descriptor: { mediaType: parsed.mediaType, digest, size: bytes.length }, bytes };
    } catch (error) {
      throw broken(`${digest} is ${(error as Error).message}`, undefined, error);
    }
  };

  return {
    async getManifest(reference) {
      if (isDigest(reference)) return stored(reference);
      const entry = (await index()).manifests.find((each) => each.annotations?.[refName] === reference);
      return entry && stored(entry.digest, entry.mediaType);
    },
    async getBlob(descriptor) {
      const bytes = await blob(descriptor.digest);
      if (!bytes) throw broken(`the blob ${descriptor.digest} is missing`);
      return bytes;
    },
    async root() {
      const { manifests } = await index();
      const { reference } = source;
      const named = reference === undefined ? manifests : manifests.filter((each) => isNamed(each, reference));
      if (named.length === 1) {
        const found = await stored(named[0]!.digest, named[0]!.mediaType);
        if (!found) throw broken(`index.json names ${named[0]!.digest}, which is missing`);
        return found;
      }
      const platforms = named.map((each) => each.platform && JSON.stringify(each.platform));
      if (named.length > 1 && platforms.every(Boolean) && new Set(platforms).size === named.length) {
        const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaType.index, manifests: named }));
        return { descriptor: { mediaType: mediaType.index, digest: digestOf(bytes), size: bytes.length }, bytes };
      }
      const names = manifests.map((each) => each.annotations?.[refName] ?? each.digest).join(', ');
      if (named.length === 0) throw broken(`it has no image ${reference ?? ''}`.trim(), names && `it has ${names}`);
      throw broken('it has several images', `name one after a colon: ${names}`);
    },
  };
}

function isNamed(descriptor: Descriptor, reference: string): boolean {
  const name = descriptor.annotations?.[refName];
  return name === reference || (name?.endsWith(`:${reference}`) ?? false);
}
