import { Readable } from 'node:stream';
import type { ImageManifest, StoredManifest } from '../../src/oci/manifest.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { BlobSource, LayerStore } from '../../src/store/layer-store.ts';

/** Small contents for tests of stores. */
export function blobOf(content: string | Uint8Array): BlobSource {
  const bytes = Buffer.from(content as Uint8Array);
  return { digest: digestOf(bytes), size: bytes.length, open: (offset = 0) => Readable.from([bytes.subarray(offset)]) };
}

export function stored(document: ImageManifest | object, type: string = mediaType.manifest): StoredManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { descriptor: { mediaType: type, digest: digestOf(bytes), size: bytes.length }, bytes };
}

/** A ustar archive of one file. */
export function tarOf(name: string, content: string): Buffer {
  const header = Buffer.alloc(512);
  header.write(name);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body, Buffer.alloc(1024)]);
}

export interface TestImage extends StoredManifest {
  layers: Descriptor[];
  config: Descriptor;
}

/** Puts an image whose filesystem layers hold those texts (as tar archives where a real reader looks at them). */
export async function putImage(
  store: LayerStore,
  repository: string,
  reference: string | undefined,
  contents: string[],
  options: { tar?: boolean; mountFrom?: string[] } = {},
): Promise<TestImage> {
  const bodies = contents.map((text) => (options.tar === true ? tarOf(`${text}.txt`, text) : Buffer.from(text)));
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: bodies.map((body) => digestOf(body)) },
    }),
  );
  const mount = options.mountFrom === undefined ? {} : { mountFrom: options.mountFrom };
  for (const body of [...bodies, config]) await store.putBlob(repository, blobOf(body), mount);
  const layers = bodies.map((body) => ({ mediaType: mediaType.layerTar, digest: digestOf(body), size: body.length }));
  const configDescriptor = { mediaType: mediaType.config, digest: digestOf(config), size: config.length };
  const manifest = stored({ schemaVersion: 2, mediaType: mediaType.manifest, config: configDescriptor, layers });
  await store.putManifest(repository, reference ?? manifest.descriptor.digest, manifest);
  return { ...manifest, layers, config: configDescriptor };
}
