/**
 * Writes the vectors that other decoders are tested with: `node test/delta/layer-delta/make-vectors.ts`. They are made anew
 * only when the format changes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeElf, sampleProgram } from '../codec/elf-file.ts';
import { sha256 } from '../codec/files.ts';
import { noise, sampleTar, type SampleEntry } from '../sample-image.ts';
import {
  block,
  copiedFile,
  general,
  layerDelta,
  planes,
  sources,
  svarint,
  unpackingSources,
  uvarint,
  type ListedMember,
} from './container.ts';
import { handHeaders } from './hand-headers.ts';
import { handShared } from './hand-shared.ts';
import { coded } from './layers.ts';
import { sampleTensors, writers } from '../tensors/models.ts';
import { gzipped, zipped } from './packed.ts';

/** `layers`: old tars, lowest first. `sha256` of what must come out; `error` when nothing must. */
export type Vector = { name: string; layers: string[]; sources: string; delta: string } & (
  | { sha256: string }
  | { error: string }
);

const folder = path.join(import.meta.dirname, 'vectors');
mkdirSync(folder, { recursive: true });
/** Made by our encoder of an earlier version, and never again: they must be read for ever. */
const earlier = ['times', 'updated', 'nothing-old', 'empty-tar', 'members', 'models'];
const before = JSON.parse(readFileSync(path.join(folder, 'vectors.json'), 'utf8')) as Vector[];
const vectors = before.filter(({ name }) => earlier.includes(name));

function keep(name: string, bytes: Uint8Array): string {
  writeFileSync(path.join(folder, name), bytes);
  return name;
}

const words = Array.from({ length: 300 }, (_, at) => `line ${at} of a text, ${(at * 7919) % 1009}\n`).join('');
const program = sampleProgram('x86-64', 60);
const later = {
  ...program,
  functions: program.functions.toSpliced(20, 3, ...sampleProgram('x86-64', 70).functions.slice(60)),
};
const arm = sampleProgram('aarch64', 40, 2);
const base: SampleEntry[] = [
  { name: 'bin/', folder: true },
  { name: 'bin/program', bytes: makeElf(program), mode: 0o755 },
  { name: 'bin/arm', bytes: makeElf(arm) },
  { name: 'share/text', bytes: words },
  { name: 'share/random', bytes: noise(3_000, 1) },
];
const app: SampleEntry[] = [
  { name: 'app/', folder: true },
  { name: 'app/main.py', bytes: words.slice(0, 4_000) },
  { name: 'app/.wh.gone', bytes: '' },
  { name: 'share/text', bytes: words.toUpperCase() },
];
const updated: SampleEntry[] = [
  { name: 'bin/', folder: true },
  { name: 'bin/program', bytes: makeElf(later), mode: 0o755 },
  { name: 'bin/arm', bytes: makeElf({ ...arm, functions: arm.functions.toReversed() }) },
  { name: 'bin/link', link: 'bin/program' },
  { name: 'share/text', bytes: words.replaceAll('99', '98') },
  { name: 'share/moved', bytes: noise(3_000, 1) },
  { name: 'new/', folder: true },
  { name: `new/${'long '.repeat(30)}name`, bytes: 'new contents\n'.repeat(9) },
];

async function own(name: string, old: Record<string, Buffer>, text: Buffer): Promise<void> {
  const layers = Object.entries(old).map(([file, bytes]) => keep(`${file}.tar`, bytes));
  const made = await coded(Object.values(old), [text]);
  const files = {
    layers,
    sources: keep(`${name}.sources`, made.sources),
    delta: keep(`${name}.delta`, made.deltas[0]!),
  };
  vectors.push({ name, ...files, sha256: sha256(text) });
}
const old = { base: sampleTar(base), app: sampleTar(app) };
const many = Array.from({ length: 40 }, (_, at): SampleEntry => ({
  name: `share/${at}`,
  bytes: `${at}`,
  mtime: 1_600_000_000 + at,
}));
const small = sampleTar([...base, ...many]);
const touched = many.map((each, at) => (at % 7 === 0 ? each : { ...each, mtime: 1_720_000_000 }));
await own('rebuilt', { small }, sampleTar([...base, ...touched, ...updated.slice(4)], 1_720_000_000));
const second = { ...sampleProgram('x86-64', 50, 7), functions: sampleProgram('x86-64', 50, 7).functions.toReversed() };
await own('programs', old, sampleTar([...updated, { name: 'lib/program', bytes: makeElf(second) }], 1_710_000_000));

/** Written by hand; the old file is what the ranges hold. */
function hand(name: string, ranges: [number, number][], delta: Buffer, text: Uint8Array | string, list?: Buffer): void {
  const { base: tar } = old;
  const layers = ['base.tar'];
  const sourcesFile = keep(`${name}.sources`, list ?? sources({ tar, ranges }));
  const files = { layers, sources: sourcesFile, delta: keep(`${name}.delta`, delta) };
  vectors.push({ name, ...files, ...(typeof text === 'string' ? { error: text } : { sha256: sha256(text) }) });
}
const at = (start: number, size: number) => old.base.subarray(start, start + size);
const ranges: [number, number][] = [
  [0, 1_000],
  [5_000, 600],
  [9_000, 2],
];
const joined = Buffer.concat([at(0, 1_000), at(5_000, 600), at(9_000, 2)]);
const across = Buffer.concat([Buffer.from('in front'), joined.subarray(900, 1_602)]);
across[8 + 3]! += 7;
const copyAcross = block({ insert: 'in front' }, { copy: [900, 702], add: [[3, 7]] });
const head = { old: 1_602, new: 710, ranges: 3 };
hand('hand-ranges', ranges, layerDelta(head, general(710, copyAcross)), across);
hand(
  'hand-blocks',
  ranges,
  layerDelta(
    { ...head, new: 20 },
    general(20, block({ copy: [10, 5] }), block({ copy: [1_597, 5] }, { insert: '0123456789' })),
  ),
  Buffer.concat([joined.subarray(10, 15), joined.subarray(1_597), Buffer.from('0123456789')]),
);
const memory = 2 * 4096 + 2 ** 23 + 2 ** 22 + 2 ** 24 + 56 + 16 * 3;
const files = { ...head, new: 1_300, memory };
hand(
  'hand-files',
  ranges,
  layerDelta(files, general(0), copiedFile(100, 600), general(100, block({ copy: [0, 100] })), copiedFile(1_000, 600)),
  Buffer.concat([joined.subarray(100, 700), joined.subarray(0, 100), joined.subarray(1_000, 1_600)]),
);
hand(
  'hand-file-without-memory',
  ranges,
  layerDelta({ ...files, memory: memory - 57, new: 600 }, general(0), copiedFile(100, 600)),
  'less memory than the file needs',
);
hand(
  'hand-file-beyond',
  ranges,
  layerDelta({ ...files, new: 600 }, general(0), copiedFile(1_003, 600)),
  'a file from beyond the old file',
);
hand(
  'hand-file-twice',
  ranges,
  layerDelta({ ...files, new: 1_200 }, general(0), copiedFile(0, 600), copiedFile(0, 600)),
  'two file parts without a general one between',
);
hand(
  'hand-file-too-long',
  ranges,
  layerDelta({ ...files, new: 599 }, general(0), copiedFile(100, 600)),
  'a file beyond the new tar',
);
hand('hand-coding', ranges, layerDelta({ ...files, new: 1 }, general(0), [0, 1, 0, 1]), 'a file in the general coding');
hand(
  'hand-part-too-long',
  ranges,
  layerDelta({ ...head, new: 709 }, general(710, copyAcross)),
  'a part beyond the new tar',
);
hand('hand-block-across-parts', ranges, layerDelta(head, general(700, copyAcross)), 'a block beyond its part');
hand('hand-trailing', ranges, layerDelta(head, general(710, copyAcross), [0]), 'bytes behind the end');
hand('hand-cut', ranges, layerDelta(head, general(710, copyAcross)).subarray(0, -3), 'cut');
hand(
  'hand-other-size',
  ranges,
  layerDelta({ ...head, old: 1_601 }, general(710, copyAcross)),
  'an old file of another size',
);
hand(
  'hand-memory',
  ranges,
  layerDelta({ ...head, memory: 65 * 2 ** 20 }, general(710, copyAcross)),
  'more than 64 MiB',
);
hand(
  'hand-little-memory',
  ranges,
  layerDelta({ ...head, memory: 2 * 4096 + 2 ** 23 + 2 ** 22 + 47 }, general(710, copyAcross)),
  'less than its blocks and ranges need',
);
hand(
  'hand-block-size',
  ranges,
  layerDelta({ ...head, blockSize: 2 ** 23 + 1, memory: 2 ** 26 }, general(710, copyAcross)),
  'blocks that are too large',
);

const good = layerDelta(head, general(710, copyAcross));
const id = (tar: Uint8Array) => [...Buffer.from(sha256(tar), 'hex')];
/** `ranges` as they are, not packed. */
const list = (...bytes: number[]) => Buffer.from([...Buffer.from('ibs1'), ...uvarint(bytes.length), 0, ...bytes]);
const two = [...uvarint(0), ...uvarint(1_000), ...uvarint(4_000), ...uvarint(602)];
hand(
  'hand-short',
  ranges,
  layerDelta({ ...head, ranges: 2 }, general(8, block({ insert: 'in front' }))),
  'fewer bytes than the new tar',
  list(1, ...id(old.base), 2, ...two),
);
hand(
  'hand-sources-beyond',
  [],
  good,
  'a range beyond the filesystem layer',
  list(1, ...id(old.base), 1, ...uvarint(old.base.length - 1_601), ...uvarint(1_602)),
);
hand(
  'hand-sources-twice',
  [],
  good,
  'a filesystem layer twice',
  list(2, ...id(old.base), 1, 0, ...uvarint(1_000), ...id(old.base), 1, ...uvarint(1_000), ...uvarint(602)),
);
hand(
  'hand-sources-other',
  [],
  good,
  'a filesystem layer that is not there',
  list(1, ...id(old.app), 1, 0, ...uvarint(1_602)),
);
hand('hand-sources-no-range', [], good, 'a filesystem layer without ranges', list(1, ...id(old.base), 0));
hand(
  'hand-sources-empty-range',
  [],
  good,
  'a range of no bytes',
  list(1, ...id(old.base), 2, 0, ...uvarint(1_602), 0, 0),
);
hand(
  'hand-sources-trailing',
  [],
  good,
  'bytes behind the ranges',
  list(1, ...id(old.base), 1, 0, ...uvarint(1_602), 9),
);
hand('hand-sources-layers', [], good, 'more filesystem layers than may be', list(...uvarint(1_025)));
hand(
  'hand-sources-count',
  [],
  good,
  'more ranges than may be',
  list(1, ...id(old.base), ...uvarint(2 ** 18 + 1), 0, ...uvarint(1_602)),
);
hand('hand-sources-magic', [], good, 'another version', Buffer.concat([Buffer.from('ibs2'), list(0).subarray(4)]));

const numbered = Array.from(
  { length: 700 },
  (_, line) => `entry ${line} of a changelog, ${(line * line) % 811}\n`,
).join('');
const modules = { 'a.py': Buffer.from(words), 'b.py': Buffer.from(numbered) };
const packed: SampleEntry[] = [
  { name: 'share/changelog.gz', bytes: gzipped(Buffer.from(numbered), 41, 'changelog') },
  { name: 'share/modules.zip', bytes: zipped(modules, 6) },
];
const repacked: SampleEntry[] = [
  { name: 'share/changelog.gz', bytes: gzipped(Buffer.from(`a new entry\n${numbered}`), 41, 'changelog') },
  { name: 'share/modules.zip', bytes: zipped({ ...modules, 'b.py': Buffer.from(`# edited\n${numbered}`) }, 6) },
  { name: 'share/new.gz', bytes: gzipped(Buffer.from(words.slice(900)), 9) },
];
await own(
  'members-rebuilt',
  { 'packed-small': sampleTar([...packed, ...many]) },
  sampleTar([...repacked, ...touched], 1_720_000_000),
);
/** A zip archive, and a packed tar, with a program each. */
const carrying = (inZip: Buffer, inTar: Buffer, version: string): SampleEntry[] => {
  const zip = zipped(
    { 'a.py': Buffer.from(words), [`lib/libapp.so.${version}`]: inZip, 'b.py': Buffer.from(version) },
    6,
  );
  const tar = sampleTar([
    { name: 'bin/app', bytes: inTar },
    { name: 'share/text', bytes: `${numbered}${version}` },
  ]);
  return [
    { name: 'opt/app.whl', bytes: zip },
    { name: 'opt/app.tar.gz', bytes: gzipped(tar, 6) },
  ];
};
await own(
  'members-programs',
  { 'packed-programs': sampleTar(carrying(makeElf(program), makeElf(second), '1')) },
  sampleTar(carrying(makeElf(later), makeElf({ ...second, functions: second.functions.toSpliced(9, 1) }), '2')),
);

/** One member, at byte 4 of the only range: `abcabcabc…`, 300 bytes. */
const plain = 'abc'.repeat(100);
const stream = gzipped(Buffer.from(plain), 6).subarray(10, -8);
const holder = Buffer.concat([Buffer.from('head'), stream, Buffer.from('tail')]);
const other = gzipped(Buffer.from(`${plain}!`), 9).subarray(10, -8);
const oldSize = holder.length + plain.length;
const unpackedAt = holder.length;
/** `[` and `]` around a member that is made from what the old one unpacks to. */
const made = Buffer.concat([Buffer.from('['), other, Buffer.from(']')]);
const steps = block({ insert: '[' }, { copy: [unpackedAt, plain.length] }, { insert: '!]' });
const where: ListedMember = [4, stream.length, plain.length];
const listedMember: ListedMember = [1, other.length, plain.length + 1, 9];
const packing = { old: oldSize, new: made.length, oldMembers: 1, members: [listedMember] };
const goodPacking = layerDelta(packing, general(plain.length + 3, steps));

function handPacked(name: string, delta: Buffer, text: Uint8Array | string, members: ListedMember[] = [where]): void {
  const read = unpackingSources(holder, [[0, holder.length]], members);
  const stored = { layers: [keep('holder.tar', holder)], sources: keep(`${name}.sources`, read) };
  const known = { name, ...stored, delta: keep(`${name}.delta`, delta) };
  vectors.push({ ...known, ...(typeof text === 'string' ? { error: text } : { sha256: sha256(text) }) });
}
const withMember = (member: ListedMember, size = plain.length + 3) =>
  layerDelta({ ...packing, members: [member] }, general(size, steps));
handPacked('hand-member', goodPacking, made);
handPacked(
  'hand-member-read',
  layerDelta({ old: oldSize, new: 9, oldMembers: 1 }, general(9, block({ copy: [unpackedAt - 3, 9] }))),
  Buffer.from('ailabcabc'),
);
handPacked(
  'hand-member-little-memory',
  layerDelta({ ...packing, memory: 2 * 4096 + 2 ** 23 + 2 ** 22 + 16 + 48 + 2 ** 20 - 1 }, general(303, steps)),
  'less memory than a member needs',
);
handPacked('hand-member-profile', withMember([1, other.length, plain.length + 1, 10]), 'a profile that there is not');
handPacked('hand-member-short', withMember([1, other.length - 1, plain.length + 1, 9]), 'a member that becomes longer');
handPacked('hand-member-long', withMember([1, other.length + 1, plain.length + 1, 9]), 'a member that stays shorter');
handPacked('hand-member-beyond', withMember([made.length - 2, 3, 9, 9], 9), 'a member beyond the new tar');
handPacked('hand-member-bomb', withMember([1, 1, 1_033, 9]), 'a member that nothing unpacks to');
handPacked('hand-member-empty', withMember([1, other.length, 0, 9]), 'a member that unpacks to nothing');
handPacked('hand-members-none', layerDelta({ ...packing, members: [] }, general(303, steps)), 'a list of no members');
handPacked('hand-member-old-short', goodPacking, 'more than it says', [[4, stream.length, plain.length - 1]]);
handPacked('hand-member-old-long', goodPacking, 'less than it says', [[4, stream.length, plain.length + 1]]);
handPacked('hand-member-old-cut', goodPacking, 'a member that is cut', [[4, stream.length - 1, plain.length]]);
handPacked('hand-member-old-tail', goodPacking, 'bytes behind a member', [[4, stream.length + 1, plain.length]]);
handPacked('hand-member-old-none', goodPacking, 'no member', [[0, 8, plain.length]]);
handPacked('hand-member-old-beyond', goodPacking, 'a member beyond the ranges', [[4, holder.length - 3, plain.length]]);

const models = (by: number): SampleEntry[] => [
  { name: 'models/a.safetensors', bytes: writers.safetensors(sampleTensors(['bf16'], by, 16)) },
  { name: 'models/b.onnx', bytes: writers.onnx(sampleTensors(['f32'], by, 16)) },
  { name: 'models/c.gguf', bytes: writers.gguf(sampleTensors(['i8', 'f16'], by, 16)) },
];
await own(
  'models-rebuilt',
  { 'models-small': sampleTar([...models(0), ...many]) },
  sampleTar([...models(0.001), ...touched], 1_720_000_000),
);

/** Five bytes that are new; two and one that differ of four copied; elements of 1, 2 and 4 bytes, read and not. */
const planed = {
  insert: [...uvarint(5), 0, 0, 0, 0, 0, ...uvarint(1)],
  kind: [0, 1, 2, 4, 18, 20],
  seek: [...svarint(7), ...svarint(-2), ...svarint(1), ...svarint(0)],
  copy: [4, 3, 4, 8, 2, 4],
  gap: [1],
  run: [2],
  difference: [9, 255],
  data: [...Buffer.from('first!')],
  byte: [0, 1, 6],
  half0: [3, 0xff, 0x0b],
  half1: [0, 0xff, 0x80],
  word0: [5, 0xfe, 0x01],
  word1: [0, 0xff, 0x02],
  word2: [0, 0xff, 0x03],
  word3: [1, 0xff, 0x84],
};
const range: [number, number] = [1_000, 600];
const from = joined.subarray(1_000, 1_600);
const elements = Buffer.alloc(31);
elements.write('first');
from.copy(elements, 5, 7, 11);
elements[6]! += 9;
elements[7]! -= 1;
from.copy(elements, 9, 9, 12);
elements[10]! -= 1;
elements[11]! += 3;
elements.writeUInt16LE((from.readUInt16LE(13) + 2 ** 16 - 2) % 2 ** 16, 12);
elements.writeUInt16LE((from.readUInt16LE(15) + 2 ** 15) % 2 ** 16, 14);
elements.writeUInt32LE((from.readUInt32LE(17) + 2 ** 32 - 0x800003) % 2 ** 32, 16);
elements.writeUInt32LE((from.readUInt32LE(21) + 0x7fffffff) % 2 ** 32, 20);
elements.writeUInt16LE(0xc005, 24);
elements.writeUInt32LE(0xc2018100, 26);
elements.write('!', 30);
const plain3 = { ...head, new: 31, version: 3, members: [] };
const part = (contents: Parameters<typeof planes>[2], size = 31) => planes(size, range, contents);
hand('hand-planes', ranges, layerDelta(plain3, general(0), part(planed)), elements);
hand(
  'hand-planes-twice',
  ranges,
  layerDelta({ ...plain3, new: 72 }, general(0), part(planed), general(10, block({ copy: [3, 10] })), part(planed)),
  Buffer.concat([elements, joined.subarray(3, 13), elements]),
);
hand(
  'hand-planes-nothing-old',
  ranges,
  layerDelta(
    { ...plain3, new: 2 },
    general(0),
    planes(2, [0, 0], { insert: [0], kind: [18], copy: [2], half0: [3], half1: [0] }),
  ),
  Buffer.from([1, 0x80]),
);
const broken = (name: string, error: string, change: Parameters<typeof planes>[2], size = 31) =>
  hand(
    `hand-planes-${name}`,
    ranges,
    layerDelta({ ...plain3, new: size }, general(0), part({ ...planed, ...change }, size)),
    error,
  );
hand('hand-planes-version', ranges, layerDelta({ ...head, new: 31 }, general(0), part(planed)), 'planes in version 1');
hand(
  'hand-planes-beyond',
  ranges,
  layerDelta(plain3, general(0), planes(31, [1_003, 600], planed)),
  'a file from beyond the old file',
);
broken('kind', 'a kind that there is not', { kind: [0, 1, 2, 8, 18, 20] });
broken('alone-bytes', 'bytes that are not compared', { kind: [0, 1, 2, 4, 17, 20] });
broken('odd', 'half an element', { copy: [4, 3, 5, 8, 2, 4] }, 32);
broken('zero', 'no elements', { copy: [4, 0, 4, 8, 2, 4] }, 28);
broken('long', 'more than its block makes', { copy: [4, 3, 4, 8, 2, 8] });
broken('before', 'elements before the range', { seek: [...svarint(7), ...svarint(-12), ...svarint(1), ...svarint(0)] });
broken('behind', 'elements behind the range', {
  seek: [...svarint(7), ...svarint(-2), ...svarint(577), ...svarint(0)],
});
broken('short', 'a plane that ends too early', { word3: [1, 0xff] });
broken('left', 'a plane with more than its elements', { byte: [0, 1, 6, 0] });
broken('run', 'differences beyond the copies', { run: [4], difference: [9, 255, 1, 1] });
handHeaders((name, delta, text) => hand(name, ranges, delta, text), head);
handShared((name, delta, text) => hand(name, ranges, delta, text), head, joined);
const listsBoth = layerDelta({ ...packing, headers: [] }, general(plain.length + 3, steps));
handPacked('hand-member-listed', listsBoth, made);

writeFileSync(path.join(folder, 'vectors.json'), `${JSON.stringify(vectors, null, 2)}\n`);
