import { createReadStream, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { inspectBundle } from '../../src/delta/inspect.ts';
import type { InspectedBundle } from '../../src/delta/inspected.ts';
import { makeDelta, type DeltaRequest } from '../../src/delta/make.ts';
import { verifyBundle } from '../../src/delta/verify.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { silent } from '../../src/progress.ts';
import { readTar } from '../../src/tar/extract.ts';
import { styleFor } from '../../src/report/failure.ts';
import {
  noise,
  sampleTar,
  sha256,
  writeOciArchive,
  type SampleEntry,
  type SampleOptions,
} from '../delta/sample-image.ts';

/** For each test another. */
export let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-inspect-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

export const { signal } = new AbortController();
export const inspecting = () => ({ signal, temporary: folder, progress: silent });
export const plainStyle = styleFor({}, {});
export const put = (name: string, layers: Buffer[], options: SampleOptions = {}) =>
  writeOciArchive(join(folder, name), layers, options);

export async function withImages<Result>(name: string, use: (set: ImageSet) => Promise<Result>): Promise<Result> {
  const store = async () => {
    throw new Error('no release is named here');
  };
  const set = await openImages(name, { directory: folder, platform: hostPlatform(), store });
  try {
    return await use(set);
  } finally {
    await set.close();
  }
}

export const bundle = () => join(folder, 'out.ota.tar');
export const make = (more: Partial<DeltaRequest> = {}, from = 'oci-archive:old.tar') =>
  withImages(from, (old) =>
    withImages('oci-archive:new.tar', (to) =>
      makeDelta({ from: old, to, output: bundle(), format: 'imgbuild', progress: silent, signal, ...more }),
    ),
  );
export const inspect = (path = bundle()) => inspectBundle(path, statSync(path).size, inspecting());
export const verify = (path: string) =>
  withImages('oci-archive:old.tar', (from) =>
    verifyBundle({ path, from, trust: 'anyone', temporary: folder, progress: silent, signal }),
  );

/** Every byte of the file once: by filesystem layer, in each by what became of files and by file, and by package. */
export function expectSums({ bytes, documents, images }: InspectedBundle, size: number): void {
  expect(bytes).toBe(size);
  const layers = images.flatMap((image) => image.layers);
  expect(documents + layers.reduce((sum, layer) => sum + layer.bytes, 0)).toBe(size);
  let overheads = 0;
  let all = 0;
  for (const { kind, bytes: own, overhead, totals, files, unlisted } of layers) {
    if (kind === 'reused') continue;
    const kinds = Object.values(totals!);
    expect(overhead!).toBeGreaterThanOrEqual(0);
    expect(overhead! + kinds.reduce((sum, each) => sum + each.bytes, 0)).toBe(own);
    const listed = files!.reduce((sum, each) => sum + each.bytes, unlisted?.bytes ?? 0);
    expect(overhead! + listed).toBe(own);
    expect(files!.length + (unlisted?.count ?? 0)).toBe(kinds.reduce((sum, { count }) => sum + count, 0));
    for (const file of files!) expect(file.bytes).toBeGreaterThanOrEqual(0);
    overheads += overhead!;
    all += own;
  }
  for (const { packages } of images) {
    if (packages === null) continue;
    const listed = packages.listed.reduce((sum, each) => sum + each.bytes, packages.others.bytes);
    expect(listed + packages.none.bytes + overheads).toBe(all);
  }
}

/** The bundle with one blob of its first delta changed: the account, or whatever is called otherwise. */
export async function rewritten(
  name: string,
  edit: (text: Buffer, descriptors: Descriptors) => Buffer,
): Promise<string> {
  const members: [string, Buffer][] = [];
  for await (const entry of readTar(createReadStream(bundle()))) {
    const parts: Buffer[] = [];
    for await (const chunk of entry.contents()) parts.push(Buffer.from(chunk));
    members.push([entry.header.name, Buffer.concat(parts)]);
  }
  const files = new Map(members);
  const nameOf = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
  const index = JSON.parse(files.get('index.json')!.toString());
  const [descriptor] = index.manifests;
  const manifest = JSON.parse(files.get(nameOf(descriptor.digest))!.toString());
  const accounts = manifest.layers.filter(
    (layer: Descriptors[number]) => layer.annotations['io.github.containers.delta.content'] === 'account',
  );
  const text = edit(files.get(nameOf(accounts[0].digest))!, manifest.layers);
  files.delete(nameOf(accounts[0].digest));
  Object.assign(accounts[0], { digest: sha256(text), size: text.length });
  files.delete(nameOf(descriptor.digest));
  const bytes = Buffer.from(JSON.stringify(manifest));
  Object.assign(descriptor, { digest: sha256(bytes), size: bytes.length });
  files.set('index.json', Buffer.from(JSON.stringify(index)));
  files.set(nameOf(descriptor.digest), bytes).set(nameOf(accounts[0].digest), text);
  const path = join(folder, name);
  writeFileSync(path, sampleTar([...files].map(([each, contents]) => ({ name: each, bytes: contents }))));
  return path;
}
type Descriptors = { digest: string; size: number; mediaType: string; annotations: Record<string, string> }[];

export const file = (name: string, bytes: Buffer | string): SampleEntry => ({ name, bytes });
export const status = (...packages: string[]) =>
  packages.map((name) => `Package: ${name}\nStatus: install ok installed\nVersion: ${name.length}.0-1\n`).join('\n');
export const list = (name: string, ...paths: string[]) =>
  file(`var/lib/dpkg/info/${name}.list`, `/.\n${paths.join('\n')}\n`);
export const site = 'usr/local/lib/python3.11/dist-packages';

/** One half is the same for every seed. */
export const partly = (seed: string, name: string) =>
  Buffer.concat([noise(10_000, `${seed} ${name}`), noise(10_000, name)]);

/** A tree with packages of every kind; `seed` decides what is in its files. */
export function tree(seed: string): SampleEntry[] {
  const bytes = (name: string) => partly(seed, name);
  return [
    { name: 'lib', symlink: 'usr/lib' },
    file('var/lib/dpkg/status', status('libmerged', 'plain')),
    list('libmerged:amd64', '/lib', '/lib/libmerged.so.1', '/usr/share'),
    list('plain', '/usr/share', '/usr/share/plain', '/usr/lib/python3/dist-packages/plain.py'),
    file('usr/lib/libmerged.so.1', bytes('so')),
    { name: 'usr/share/', folder: true },
    file('usr/share/plain', bytes('plain')),
    file('usr/lib/python3/dist-packages/plain.py', 'import this'),
    file('usr/lib/python3/dist-packages/__pycache__/plain.cpython-311.pyc', bytes('pyc')),
    file(`${site}/tools-1.5.dist-info/RECORD`, 'tools/run.py,sha256=x,1\n"tools/a, b.py",,\n../../../bin/tool,,\n'),
    file(`${site}/tools/run.py`, bytes('run')),
    file(`${site}/tools/a, b.py`, bytes('ab')),
    file('usr/local/bin/tool', bytes('tool')),
    file(`${site}/Old_Egg-2.0-py3.11.egg-info/top_level.txt`, 'egg\n'),
    file(`${site}/egg/deep/er.py`, bytes('egg')),
    file('srv/app', bytes('app')),
  ];
}
export const owned = ({ images }: InspectedBundle) =>
  new Map(
    images.flatMap(({ layers }) => layers.flatMap(({ files = [] }) => files)).map((each) => [each.path, each.package]),
  );
const owners: [string, string | undefined][] = [
  ['usr/lib/libmerged.so.1', 'dpkg libmerged 9.0-1'],
  ['usr/share/plain', 'dpkg plain 5.0-1'],
  ['usr/lib/python3/dist-packages/__pycache__/plain.cpython-311.pyc', 'dpkg plain 5.0-1'],
  [`${site}/tools/run.py`, 'python tools 1.5'],
  [`${site}/tools/a, b.py`, 'python tools 1.5'],
  ['usr/local/bin/tool', 'python tools 1.5'],
  [`${site}/egg/deep/er.py`, 'python Old_Egg 2.0'],
  ['srv/app', undefined],
];
export function expectOwners(inspected: InspectedBundle): void {
  const found = owned(inspected);
  const named = owners.map(([path]) => {
    const owner = found.get(path);
    return [path, owner && `${owner.kind} ${owner.name} ${owner.version}`];
  });
  expect(named).toEqual(owners);
}
