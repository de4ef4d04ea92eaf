import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { openBundle } from '../../src/delta/bundle/read.ts';
import { RangeSpool } from '../../src/delta/layer-delta/range-spool.ts';
import { makeDelta } from '../../src/delta/make.ts';
import { gather, rebuildLayer, wantedSources } from '../../src/delta/rebuild.ts';
import { verifyBundle, type Trust } from '../../src/delta/verify.ts';
import { Failure } from '../../src/failure.ts';
import type { ImageSet } from '../../src/image-source/image.ts';
import { openImages } from '../../src/image-source/open.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { run } from '../../src/process/run.ts';
import { silent } from '../../src/progress.ts';
import { generateSigningKey } from '../../src/signing/generate-key.ts';
import { readSigningKey } from '../../src/signing/openpgp.ts';
import { noise, sampleTar, sha256, writeOciArchive } from './sample-image.ts';

export interface Corruptions {
  /** Refused by both programs. */
  refused: number;
  /** Of bytes that mean nothing: what it makes is the target, exactly. */
  harmless: number;
  failures: string[];
}

const { signal } = new AbortController();
const library = noise(60_000, 'library');
const changed = Buffer.from(library);
for (let at = 0; at < changed.length; at += 701) changed[at]! ^= 1;
const text = Array.from({ length: 900 }, (_, line) => `line ${line} of a file that says nothing\n`);

const old = sampleTar([
  { name: 'app/', folder: true },
  { name: 'app/library', bytes: library },
  { name: 'app/text', bytes: text.join('') },
  { name: 'app/stays', bytes: noise(20_000, 'stays') },
]);
const renewed = sampleTar([
  { name: 'app/', folder: true },
  { name: 'app/library', bytes: changed },
  { name: 'app/text', bytes: text.toSpliced(300, 5, 'and now it does\n').join('') },
  { name: 'srv/moved', bytes: noise(20_000, 'stays') },
]);

type Damage =
  /** At these parts of the file, bits of one byte each. */
  | { kind: 'flips'; flips: { at: number; bits: number }[] }
  | { kind: 'cut'; at: number }
  /** From one part on, bytes are zeros. */
  | { kind: 'zeros'; at: number; size: number }
  /** Inside of a filesystem layer's delta, with every digest of the bundle made right again: somebody meant it. */
  | { kind: 'meant'; at: number; bits: number };

/** All alike: numbers of fast-check lie near their ends otherwise. */
const part = fc.noBias(fc.integer({ min: 0, max: 999_999 })).map((millionths) => millionths / 1e6);
const bits = fc.integer({ min: 1, max: 255 });
const damage: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('flips' as const),
      flips: fc.array(fc.record({ at: part, bits }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), at: part }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('zeros' as const), at: part, size: fc.integer({ min: 1, max: 2000 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('meant' as const), at: part, bits }) },
);

/**
 * Damages signed bundles of both formats in `count` ways. Each must be refused, by `ota verify` and, where its path is
 * given, by the device program; or it makes exactly what the whole one makes.
 */
export async function corruptBundles({
  seed,
  count,
  program,
}: {
  seed: number;
  count: number;
  program?: string;
}): Promise<Corruptions> {
  const folder = mkdtempSync(join(tmpdir(), 'imgbuild-corrupt-'));
  const found: Corruptions = { refused: 0, harmless: 0, failures: [] };
  const options = { directory: folder, platform: hostPlatform(), store: () => Promise.reject(new Error('unused')) };
  writeOciArchive(join(folder, 'old.tar'), [old]);
  writeOciArchive(join(folder, 'new.tar'), [renewed], { reference: 'app:2' });
  const from = await openImages('oci-archive:old.tar', options);
  const to = await openImages('oci-archive:new.tar', options);
  const { privateKey, publicKey } = await generateSigningKey('Releases <releases@example.com>');
  const signKey = await readSigningKey(Buffer.from(privateKey), 'the key');
  const keyring = join(folder, 'keys.asc');
  writeFileSync(keyring, publicKey);
  try {
    const bundles: Buffer[] = [];
    for (const format of ['oci-delta', 'imgbuild'] as const) {
      const output = join(folder, `${format}.ota.tar`);
      await makeDelta({ from, to, output, name: 'app', format, signKey, progress: silent, signal });
      bundles.push(readFileSync(output));
    }
    const path = join(folder, 'damaged.ota.tar');
    for (const [at, each] of fc.sample(damage, { numRuns: count, seed }).entries()) {
      const what = `${JSON.stringify(each)} in ${at % 2 === 0 ? 'oci-delta' : 'imgbuild'}`;
      writeFileSync(path, damaged(bundles[at % 2]!, each));
      const verify = (trust: Trust) =>
        verifyBundle({ path, from, trust, temporary: folder, progress: silent, signal }).then(
          () => 'exact' as const,
          (error: unknown) => error,
        );
      const own = await verify(each.kind === 'meant' ? 'anyone' : { keyring });
      if (own !== 'exact' && !(own instanceof Failure)) {
        found.failures.push(`${what}: ${own instanceof Error ? own.stack : String(own)}`);
        continue;
      }
      if (own === 'exact' && !(await rebuilt(path, from)).equals(renewed)) {
        found.failures.push(`${what}: other bytes come out`);
        continue;
      }
      if (own === 'exact') found.harmless++;
      else found.refused++;
      if (program === undefined) continue;
      const trusting = each.kind === 'meant' ? ['--allow-unsigned'] : ['--keyring', keyring];
      const { exitCode, stderr } = await run(program, ['verify', path, ...trusting]);
      // It has no old image: what is meant shows when a filesystem layer is rebuilt. And one of the two may read a signature
      // whose armour is damaged, which the other does not.
      const mayPass = own === 'exact' || each.kind === 'meant' || (await verify('anyone')) === 'exact';
      if (![0, 1, 2].includes(exitCode) || /goroutine|panic/.test(stderr) || (exitCode === 0 && !mayPass)) {
        found.failures.push(`${what}: the device program ends with ${exitCode}: ${stderr.slice(0, 500)}`);
      }
    }
  } finally {
    await from.close();
    await to.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return found;
}

/** What comes out, whatever digest it should have. */
async function rebuilt(path: string, from: ImageSet): Promise<Buffer> {
  const bundle = await openBundle(path, signal);
  const spools: { close(): void }[] = [];
  try {
    const [image] = await bundle.images();
    const wanted = await wantedSources(bundle, image!);
    const ranges = new RangeSpool(wanted.ranges, `${path}-ranges`);
    spools.push(ranges);
    const files = await gather(from.images[0]!.layers, wanted.paths, `${path}-files`, () => {}, ranges);
    spools.push(files);
    const sources = { file: (name: string) => files.file(name), ranges };
    const parts: Buffer[] = [];
    const sink = { write: (bytes: Uint8Array) => void parts.push(Buffer.from(bytes)) };
    await rebuildLayer(bundle, image!.layers[0]!, sources, sink, { signal });
    return Buffer.concat(parts);
  } finally {
    for (const spool of spools) spool.close();
    await bundle.close();
  }
}

function damaged(bundle: Buffer, how: Damage): Buffer {
  const bytes = Buffer.from(bundle);
  switch (how.kind) {
    case 'flips':
      for (const { at, bits: flipped } of how.flips) bytes[Math.floor(at * bytes.length)]! ^= flipped;
      return bytes;
    case 'cut':
      return bytes.subarray(0, Math.floor(how.at * bytes.length));
    case 'zeros':
      bytes
        .subarray(Math.floor(how.at * bytes.length))
        .subarray(0, how.size)
        .fill(0);
      return bytes;
    case 'meant':
      return redigested(bytes, how);
  }
}

/** Alters a byte of a filesystem layer's delta, and all that names it by its digest: names are of one length. */
function redigested(bytes: Buffer, { at, bits: flipped }: { at: number; bits: number }): Buffer {
  let whole = bytes;
  const layer = membersOf(whole).findLast(({ start }) =>
    /^(ibl|tardf)1/.test(whole.toString('latin1', start, start + 6)),
  )!;
  const rename = (member: { name: string; start: number; size: number }) => {
    const before = member.name.slice('blobs/sha256/'.length);
    const after = sha256(whole.subarray(member.start, member.start + member.size)).slice('sha256:'.length);
    whole = Buffer.from(whole.toString('latin1').replaceAll(before, after), 'latin1');
    return before !== after;
  };
  whole[layer.start + Math.floor(at * layer.size)]! ^= flipped;
  rename(layer);
  // What names it is named itself.
  for (let changes = true; changes;) {
    changes = false;
    for (const member of membersOf(whole)) if (member.name.startsWith('blobs/')) changes = rename(member) || changes;
  }
  return withChecksums(whole);
}

function membersOf(tar: Buffer): { name: string; start: number; size: number; header: number }[] {
  const members = [];
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8);
    members.push({ name, start: at + 512, size, header: at });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return members;
}

function withChecksums(tar: Buffer): Buffer {
  for (const { header } of membersOf(tar)) {
    const block = tar.subarray(header, header + 512);
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return tar;
}
