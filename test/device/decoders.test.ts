import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { afterAll, describe, expect, test } from 'vitest';
import { deviceFolder, goEnvironment, goProgram } from '../../scripts/device.ts';
import { decodeDelta } from '../../src/delta/codec/decode.ts';
import { applyOperations } from '../../src/delta/rebuild.ts';
import type { SourceFiles } from '../../src/delta/source-spool.ts';
import { header, operation, putUvarint } from '../../src/delta/tar-diff/format.ts';
import { run } from '../../src/process/run.ts';
import { inMemory } from '../delta/codec/files.ts';
import { noise } from '../delta/sample-image.ts';

const go = await goProgram();
const folder = mkdtempSync(join(tmpdir(), 'imgbuild-decoders-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files: Record<string, Buffer> = {
  'etc/a': noise(100, 'a'),
  'bin/tool': noise(70_000, 'tool'),
  'usr/lib/large': noise(600_000, 'large'),
  empty: Buffer.alloc(0),
};
const sources: SourceFiles = {
  file(path) {
    const bytes = files[path];
    if (bytes === undefined) return undefined;
    return { size: bytes.length, read: (at, length, into) => void bytes.copy(into, 0, at, at + length) };
  },
};

/** Numbers that look random and are the same in every run (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Operations of a stream: mostly what an encoder would write; one in a few reaches beyond what it may. */
function operations(pick: (below: number) => number): Buffer {
  const parts: Buffer[] = [];
  const put = (code: number, value: number, contents: Buffer = Buffer.alloc(0)) => {
    const head = Buffer.alloc(9);
    head[0] = code;
    parts.push(head.subarray(0, putUvarint(value, head, 1)), contents);
  };
  const names = [...Object.keys(files), '/etc//a', './bin/./tool', '../etc/a', 'etc/missing', 'etc/\0a', '.'];
  let size = 0;
  for (let left = 1 + pick(12); left > 0; left--) {
    switch (pick(parts.length === 0 ? 2 : 5)) {
      case 0:
        put(operation.data, 40, noise(40, left));
        break;
      case 1: {
        const name = names[pick(pick(8) === 0 ? names.length : 4)]!;
        size = files[name]?.length ?? 0;
        put(operation.open, Buffer.byteLength(name), Buffer.from(name));
        break;
      }
      case 2:
        put(operation.copy, pick(10) === 0 ? size + pick(3) : pick(1 + (size >> 2)));
        break;
      case 3: {
        const length = pick(1 + Math.min(size >> 2, 2000));
        put(operation.addData, length, noise(length, 'differences'));
        break;
      }
      default:
        put(operation.seek, pick(1 + (size >> 1)));
    }
  }
  const stream = Buffer.concat(parts);
  // Some are damaged: a byte is another one, or the end is missing.
  if (pick(3) === 0) stream[pick(stream.length)] = pick(256);
  return pick(6) === 0 ? stream.subarray(0, pick(stream.length)) : stream;
}

/** What the decoder here makes of a delta of a file: the sha256 of what comes out, or why it is refused. */
async function decode(delta: Buffer, old: Buffer): Promise<{ result: string; because: string; made: Buffer }> {
  const hash = createHash('sha256');
  const chunks = (async function* () {
    yield delta;
  })();
  const because = await decodeDelta(chunks, inMemory(old), { write: (bytes) => void hash.update(bytes) }).then(
    () => '',
    (error: Error) => error.message,
  );
  const made = hash.digest();
  return { because, made, result: because === '' ? made.toString('hex') : '' };
}

describe.skipIf(go === undefined)('the two decoders', () => {
  test('make the same files of damaged deltas, down to the last byte', { timeout: 600_000 }, async () => {
    const place = join(import.meta.dirname, '../delta/codec/vectors');
    const vectors = (JSON.parse(readFileSync(join(place, 'vectors.json'), 'utf8')) as { old: string; delta: string }[])
      .filter((each) => each.delta.endsWith('.plain'))
      .map(({ old, delta }) => ({
        name: old,
        old: readFileSync(join(place, old)),
        delta: readFileSync(join(place, delta)),
      }));
    const cases: { old: string; delta: string; result: string; because: string }[] = [];
    const pick = random(1);
    for (let at = 0; at < 500; at++) {
      const { name, old, delta } = vectors[pick(vectors.length)]!;
      const damaged = Buffer.from(delta);
      // Streams that are not packed: a damaged byte is another number, place or word, and much of it still makes something.
      for (let left = 1 + pick(3); left > 0; left--) {
        const byte = 10 + pick(damaged.length - 42);
        damaged[byte] = pick(2) === 0 ? pick(256) : damaged[byte]! ^ (1 << pick(8));
      }
      let { result, because, made } = await decode(damaged, old);
      if (because.includes('another sha256')) {
        made.copy(damaged, damaged.length - 32);
        ({ result, because } = await decode(damaged, old));
      }
      writeFileSync(join(folder, `${at}.delta`), damaged);
      cases.push({ old: name, delta: `${at}.delta`, result, because });
    }
    writeFileSync(join(folder, 'files.json'), JSON.stringify(cases));
    const args = ['test', '-v', '-count=1', '-run', 'TestSharedVectors', './internal/delta/filedelta'];
    const env = { ...goEnvironment(), IMGBUILD_VECTORS: folder };
    const result = await run(go!, args, { cwd: deviceFolder, env });
    expect(result.exitCode, result.stdout.toString('utf8')).toBe(0);
    expect(result.stdout.toString('utf8')).toMatch(/1[0-9]{2} of 500 make something|2[0-9]{2} of 500 make something/);
  });

  test('make the same of the same deltas, and refuse the same', { timeout: 600_000 }, async () => {
    const cases: { delta: string; result: string; because: string }[] = [];
    for (let seed = 0; seed < 600; seed++) {
      const delta = Buffer.concat([header, zstdCompressSync(operations(random(seed)))]);
      const name = `${seed}.tardiff`;
      writeFileSync(join(folder, name), delta);
      const hash = createHash('sha256');
      const chunks = (async function* () {
        yield delta;
      })();
      const because = await applyOperations(chunks, sources, { put: (bytes) => void hash.update(bytes) }, name).then(
        () => '',
        (error: Error) => error.message,
      );
      cases.push({ delta: name, because, result: because === '' ? `sha256:${hash.digest('hex')}` : '' });
    }
    const named = Object.entries(files).map(([path, bytes], at) => {
      writeFileSync(join(folder, `file-${at}`), bytes);
      return [path, `file-${at}`];
    });
    writeFileSync(join(folder, 'cases.json'), JSON.stringify({ files: Object.fromEntries(named), cases }));
    const args = ['test', '-v', '-count=1', '-run', 'TestSharedVectors', './internal/tardiff'];
    const env = { ...goEnvironment(), IMGBUILD_VECTORS: folder };
    const result = await run(go!, args, { cwd: deviceFolder, env });
    expect(result.exitCode, result.stdout.toString('utf8')).toBe(0);
    expect(result.stdout.toString('utf8')).toMatch(/[0-9]{2,3} of 600 make something/);
  });
});
