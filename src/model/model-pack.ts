import { posix } from 'node:path';
import { artifactManifest } from '../artifact/manifest.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf, hexOf } from '../oci/digest.ts';
import type { ImageManifest, StoredManifest } from '../oci/manifest.ts';

/** CNCF model-spec, docs/spec.md and specs-go/v1/mediatype.go. */
export const modelArtifact = 'application/vnd.cncf.model.manifest.v1+json';
const modelConfig = 'application/vnd.cncf.model.config.v1+json';
const filePath = 'org.cncf.model.filepath';
/** OCI image spec, annotations.md: what oras names a file by. */
const title = 'org.opencontainers.image.title';

/** A file of a model. */
export interface PackedFile {
  /** Its place in the model. */
  path: string;
  /** In bytes. */
  size: number;
  sha256: string;
}

export interface ModelToPack {
  name: string;
  license?: string | undefined;
  format?: string | undefined;
  files: readonly PackedFile[];
}

export interface ModelPack {
  manifest: StoredManifest;
  /** The bytes of the config blob. */
  config: Uint8Array;
}

type Role = 'weight' | 'weight.config' | 'doc' | 'code' | 'dataset';

const roles: readonly [Role, RegExp][] = [
  ['doc', /^(?:readme|license|licence|notice|copying|authors|changelog|model_?card)\b|\.(?:md|rst|pdf|html)$/i],
  ['code', /\.(?:py|pyc|ipynb|sh|js|ts|c|cc|cpp|h|hpp|cu|rs|go|java|lua)$/i],
  ['dataset', /\.(?:csv|tsv|parquet|arrow|jsonl|tfrecord)$/i],
  [
    'weight.config',
    /\.(?:json|ya?ml|toml|ini|cfg|conf|config|xml|prototxt|pbtxt|txt|labels?|names|vocab|model|tiktoken|jinja|mapping)$/i,
  ],
];

/** What a file is for, by its name: whatever is nothing else is weights. */
export function roleOf(path: string): Role {
  const name = posix.basename(path);
  return roles.find(([, pattern]) => pattern.test(name))?.[0] ?? 'weight';
}

/**
 * A model as a ModelPack artifact: a raw layer for each file, in byte order of the paths, so that a file that is the same is
 * the same blob, and a runtime maps it as it lies. The same files and metadata are the same bytes: no clock, no version.
 */
export function packModel({ name, license, format, files }: ModelToPack): ModelPack {
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const layers = sorted.map(({ path, size, sha256 }): Descriptor => ({
    mediaType: `application/vnd.cncf.model.${roleOf(path)}.v1.raw`,
    digest: `sha256:${sha256}`,
    size,
    annotations: { [filePath]: path, [title]: path },
  }));
  const config = new TextEncoder().encode(
    JSON.stringify({
      descriptor: { name, ...(license === undefined ? {} : { licenses: [license] }) },
      config: format === undefined ? {} : { format },
      modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
    }),
  );
  const manifest = artifactManifest({
    artifactType: modelArtifact,
    config: { mediaType: modelConfig, digest: digestOf(config), size: config.length },
    layers,
    annotations: {
      [title]: name,
      ...(license === undefined ? {} : { 'org.opencontainers.image.licenses': license }),
    },
  });
  return { manifest, config };
}

/** The place of a layer's file, as ModelPack or else as oras tells it; undefined where neither does. */
export function pathOfLayer({ annotations }: Descriptor): string | undefined {
  return annotations?.[filePath] ?? annotations?.[title];
}

/** The files of an artifact that was packed here. */
export function filesOf(manifest: ImageManifest): PackedFile[] {
  return manifest.layers.map((layer) => ({
    path: pathOfLayer(layer) ?? hexOf(layer.digest),
    size: layer.size,
    sha256: hexOf(layer.digest),
  }));
}
