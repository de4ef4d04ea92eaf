import { execFileSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clampTimes } from '../../src/tar/clamp-times.ts';

const epoch = 1_500_000_000;
let folder: string;
let tree: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgbuild-clamp-'));
  tree = join(folder, 'tree');
  const deep = 'd'.repeat(120);
  mkdirSync(join(tree, deep), { recursive: true });
  const file = (name: string, contents: string | Buffer, time: number) => {
    writeFileSync(join(tree, name), contents);
    utimesSync(join(tree, name), time, time);
  };
  file('old', 'old\n', 1_000_000_000);
  file('exact', 'exact\n', epoch);
  file('young', Buffer.alloc(5000, 7), 1_600_000_000.75);
  file(`${deep}/${'n'.repeat(140)}`, 'long\n', 1_700_000_000);
  file('é ü', 'accents\n', 1_600_000_000);
  writeFileSync(join(tree, 'sparse'), 'begin');
  truncateSync(join(tree, 'sparse'), 3_000_000);
  linkSync(join(tree, 'young'), join(tree, 'zz-hard'));
  symlinkSync('young', join(tree, 'soft'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tar = (...args: string[]) =>
  execFileSync('tar', ['--sort=name', '-C', tree, '-cf', '-', ...args, '.'], { maxBuffer: 1 << 26 });
const python = (format: string) =>
  execFileSync(
    'python3',
    [
      '-c',
      `import sys,tarfile;t=tarfile.open(fileobj=sys.stdout.buffer,mode="w|",format=tarfile.${format});t.add(sys.argv[1],arcname=".");t.close()`,
      tree,
    ],
    { maxBuffer: 1 << 26 },
  );

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function clamp(bytes: Buffer, piece = bytes.length): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of clampTimes(inPieces(bytes, piece), epoch)) parts.push(Buffer.from(chunk));
  return Buffer.concat(parts);
}

interface Entry {
  name: string;
  time: number;
  rest: unknown;
}

/** As Python's tarfile reads it, which is no code of ours. */
function entries(archive: Buffer): Entry[] {
  const script = [
    'import sys,tarfile,json,hashlib,io',
    't=tarfile.open(fileobj=io.BytesIO(sys.stdin.buffer.read()))',
    'r=[]',
    'for m in t:',
    '  f=t.extractfile(m) if m.isreg() or m.issparse() else None',
    '  more={k:v for k,v in m.pax_headers.items() if k not in("mtime","atime","ctime")}',
    '  sum=hashlib.sha256(f.read()).hexdigest() if f else None',
    '  r.append(dict(name=m.name,time=m.mtime,rest=[str(m.type),m.mode,m.uid,m.gid,m.uname,m.size,m.linkname,more,sum]))',
    'print(json.dumps(r))',
  ].join('\n');
  const text = execFileSync('python3', ['-c', script], { input: archive, maxBuffer: 1 << 26 }).toString();
  return JSON.parse(text) as Entry[];
}

const dialects: [string, () => Buffer][] = [
  ['GNU tar, gnu', () => tar('--format=gnu')],
  ['GNU tar, gnu, with sparse files', () => tar('--format=gnu', '--sparse')],
  ['GNU tar, pax', () => tar('--format=pax')],
  ['GNU tar, pax, with sparse files', () => tar('--format=pax', '--sparse')],
  ['Python, ustar as far as it goes', () => python('GNU_FORMAT')],
  ['Python, pax', () => python('PAX_FORMAT')],
];

describe.each(dialects)('times of an archive by %s', (_dialect, write) => {
  test('are at most the epoch, and all else is as it was', async () => {
    const before = entries(write());
    const after = entries(await clamp(write()));
    expect(after).toEqual(before.map((entry) => ({ ...entry, time: Math.min(entry.time, epoch) })));
    expect(before.some(({ time }) => time > epoch)).toBe(true);
  });

  test('do not depend on how the archive is cut into pieces', async () => {
    const bytes = write();
    const whole = await clamp(bytes);
    for (const piece of [511, 512, 4096, 70_001]) expect((await clamp(bytes, piece)).equals(whole)).toBe(true);
  });

  test('are not clamped twice', async () => {
    const once = await clamp(write());
    expect((await clamp(once)).equals(once)).toBe(true);
  });

  test('of an archive that is cut are an error', async () => {
    const bytes = write();
    const contents = bytes.indexOf(Buffer.alloc(1000, 7));
    for (const at of [100, contents - 100, contents + 100, contents + 4999]) {
      const cut = await clamp(bytes.subarray(0, at)).catch((error: unknown) => error);
      expect(String(cut), `at ${at}`).toMatch(/cut off/);
    }
  });
});

test('an archive without young files stays, byte for byte', async () => {
  const bytes = tar('--format=gnu', '--mtime=@1000000000');
  expect((await clamp(bytes)).equals(bytes)).toBe(true);
});

test('whatever the bytes, the error is one for people', async () => {
  const bytes = tar('--format=pax');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }),
      async (flips) => {
        const damaged = Buffer.from(bytes);
        for (const [at, value] of flips) damaged[at] = value;
        try {
          await clamp(damaged);
        } catch (error) {
          expect((error as Error).name).toBe('Failure');
        }
      },
    ),
    { numRuns: 150, seed: 7 },
  );
});
