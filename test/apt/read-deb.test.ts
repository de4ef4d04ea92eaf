import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { installPackages } from '../../scripts/support/apt.ts';
import { parseControl, readDeb } from '../../src/apt/read-deb.ts';
import { fieldOf } from '../../src/apt/paragraph.ts';
import { arHeader, arMagic, arPadding } from '../../src/deb/ar.ts';
import { Failure } from '../../src/failure.ts';
import { runChecked } from '../../src/process/run.ts';
import { newFolder } from './support/archive.ts';
import { makeDeb } from './support/make-deb.ts';

// Programs and file systems take their time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

const compressions = ['gzip', 'xz', 'zstd', 'none'] as const;
const folder = newFolder('read-deb');
const debs = new Map<string, Buffer>();
beforeAll(async () => {
  await installPackages(['xz-utils', 'zstd', 'binutils', 'python3-debian'], () => {});
  for (const compression of compressions) {
    const name = `hello-${compression}`;
    const file = await makeDeb(folder, {
      name,
      version: '1:2.0~rc.1-1',
      fields: 'Depends: libc6 (>= 2)\n',
      compression,
    });
    debs.set(compression, readFileSync(file));
  }
}, 120_000);

/** Hands the bytes on in pieces, as a file does. */
async function* pieces(bytes: Uint8Array, size = 4096): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size));
}
const read = (bytes: Uint8Array, size?: number) => readDeb(pieces(bytes, size), 'x.deb');
const refusal = (bytes: Uint8Array) =>
  read(bytes).then(
    () => 'accepted',
    (error: unknown) => {
      expect(error).toBeInstanceOf(Failure);
      expect((error as Failure).doing).toBe('reading x.deb');
      return (error as Failure).because;
    },
  );

function ar(...members: [name: string, bytes: Buffer | string][]): Buffer {
  const parts = members.flatMap(([name, content]) => {
    const bytes = Buffer.from(content);
    return [arHeader(name, bytes.length, 0), bytes, Buffer.alloc(arPadding(bytes.length), '\n')];
  });
  return Buffer.concat([arMagic, ...parts]);
}

describe.each(compressions)('a package that dpkg-deb packed with %s', (compression) => {
  test.each([1, 7, 4096, 1 << 20])('is read in pieces of %i bytes', async (size) => {
    const deb = await read(debs.get(compression)!, size);
    expect(deb).toMatchObject({ name: `hello-${compression}`, version: '1:2.0~rc.1-1', architecture: 'all' });
    expect(fieldOf(deb.control, 'depends')).toBe('libc6 (>= 2)');
    expect(fieldOf(deb.control, 'Description')).toBe(`example hello-${compression}\n of files`);
  });

  test('is refused wherever it is cut off', async () => {
    const bytes = debs.get(compression)!;
    // The last byte may be the one that makes the length even.
    for (let end = 0; end < bytes.length - 1; end += compression === 'xz' ? 61 : 7)
      expect(await refusal(bytes.subarray(0, end)), `at ${end} of ${bytes.length}`).not.toBe('accepted');
  });

  test('damaged anywhere, it is read or refused with a reason, and nothing else', async () => {
    const bytes = debs.get(compression)!;
    const damage = fc.record({ at: fc.nat(bytes.length - 1), value: fc.integer({ min: 0, max: 255 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = Buffer.from(bytes);
        for (const { at, value } of changes) damaged[at] = value;
        await refusal(damaged);
      }),
      { numRuns: compression === 'xz' ? 60 : 200 },
    );
  });
});

test('a package that GNU ar packed, with slashes at the ends of names, is read', async () => {
  const tree = newFolder('ar');
  await runChecked('dpkg-deb', ['-e', await makeDeb(tree, { name: 'hello', version: '1.0' }), join(tree, 'control')]);
  await runChecked('tar', ['-czf', join(tree, 'control.tar.gz'), '-C', join(tree, 'control'), '.']);
  await runChecked('tar', ['-cJf', join(tree, 'data.tar.xz'), '-C', tree, '--files-from=/dev/null']);
  writeFileSync(join(tree, 'debian-binary'), '2.0\n');
  const file = join(tree, 'gnu.deb');
  await runChecked('ar', [
    'rc',
    file,
    ...['debian-binary', 'control.tar.gz', 'data.tar.xz'].map((name) => join(tree, name)),
  ]);
  const bytes = readFileSync(file);
  expect(bytes.includes('debian-binary/')).toBe(true);
  expect(await read(bytes)).toMatchObject({ name: 'hello', version: '1.0', architecture: 'all' });
});

test('a control.tar that zstd packed in two frames is read to its end', async () => {
  const root = newFolder('frames');
  // The control file comes last, so that it begins in the second frame.
  writeFileSync(join(root, 'md5sums'), 'x'.repeat(4096));
  writeFileSync(join(root, 'control'), 'Package: hello\nVersion: 1.0\nArchitecture: all\n');
  await runChecked('tar', ['-cf', join(root, 'control.tar'), '-C', root, './md5sums', './control']);
  const tar = readFileSync(join(root, 'control.tar'));
  const frames = [tar.subarray(0, 2048), tar.subarray(2048)].map((part, index) => {
    writeFileSync(join(root, `part${index}`), part);
    return join(root, `part${index}`);
  });
  await runChecked('zstd', ['-q', ...frames]);
  const packed = Buffer.concat(frames.map((file) => readFileSync(`${file}.zst`)));
  const deb = ar(['debian-binary', '2.0\n'], ['control.tar.zst', packed], ['data.tar', '']);
  expect(await read(deb)).toMatchObject({ name: 'hello', version: '1.0', architecture: 'all' });
});

test('every field is what python-debian finds', async () => {
  const program = `
import json, sys
from debian.debfile import DebFile
print(json.dumps({name: dict(DebFile(name).debcontrol()) for name in sys.argv[1:]}))`;
  const fields =
    'Section: misc\nDepends: libc6 (>= 2),\n libssl3\nX-Note: caf\u00e9\nHomepage: https://example.com/?a=b:c\n';
  const files = await Promise.all(
    compressions.map((compression) =>
      makeDeb(folder, { name: `python-${compression}`, version: '1:2.0~rc.1-1', fields, compression }),
    ),
  );
  const found = JSON.parse(await runChecked('/usr/bin/python3', ['-c', program, ...files])) as Record<
    string,
    Record<string, string>
  >;
  for (const file of files) {
    const { control } = await read(readFileSync(file));
    expect(Object.fromEntries(control.map(({ name, value }) => [name, value]))).toEqual(found[file]);
  }
});

test('any bytes are refused with a reason', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.boolean(), async (bytes, withMagic) => {
      expect(await refusal(withMagic ? Buffer.concat([arMagic, bytes]) : bytes)).not.toBe('accepted');
    }),
    { numRuns: 300 },
  );
});

describe('malformed packages', () => {
  const tarOf = async (...args: string[]) => {
    const file = join(newFolder('control'), 'control.tar');
    await runChecked('tar', ['-cf', file, ...args]);
    return readFileSync(file);
  };
  const control = 'Package: hello\nVersion: 1\nArchitecture: all\n';
  const tarWith = async (text: string | Buffer, name = 'control') => {
    const root = newFolder('control');
    writeFileSync(join(root, name), text);
    return tarOf('-C', root, `./${name}`);
  };
  const deb = (tar: Buffer | string) => ar(['debian-binary', '2.0\n'], ['control.tar', tar], ['data.tar', '']);

  test('the frame that these cases change is accepted', async () => {
    expect(await refusal(deb(await tarWith(control)))).toBe('accepted');
    const signed = ar(
      ['debian-binary', '2.0\n'],
      ['_gpg', 'x'],
      ['control.tar', await tarWith(control)],
      ['data.tar', ''],
    );
    expect(await refusal(signed)).toBe('accepted');
  });

  test('members that are missing, in another order or unknown', async () => {
    const tar = await tarWith(control);
    expect(await refusal(Buffer.from('PK\u0003\u0004'))).toBe('it is no ar archive');
    expect(await refusal(ar())).toBe('it has no debian-binary');
    expect(await refusal(ar(['debian-binary', '2.0\n']))).toBe('it has no control.tar');
    expect(await refusal(ar(['debian-binary', '2.0\n'], ['control.tar', tar]))).toBe('it has no data.tar');
    expect(await refusal(ar(['debian-binary', '3.0\n'], ['control.tar', tar]))).toMatch(/format 2/);
    const turned = ar(['debian-binary', '2.0\n'], ['data.tar', ''], ['control.tar', tar]);
    expect(await refusal(turned)).toBe('it has data.tar where control.tar ought to be');
    expect(await refusal(ar(['debian-binary', '2.0\n'], ['control.tar.rar', tar]))).toMatch(/unknown kind/);
  });

  test('control files that would be more than one paragraph of an index', async () => {
    const because = async (text: string | Buffer) => refusal(deb(await tarWith(text)));
    expect(await because(`${control}\nPackage: other\nFilename: evil.deb\n`)).toMatch(/line 4 is empty/);
    expect(await because(`${control} \t\nPackage: other\n`)).toMatch(/line 4 is empty/);
    expect(await because(`${control}version: 2\n`)).toMatch(/line 4 has the field version for the second time/);
    expect(await because(` ${control}`)).toMatch(/line 1 continues a field/);
    expect(await because(`${control}no field\n`)).toMatch(/line 4 is not a field/);
    expect(await because(`${control}Bad: a\rb\n`)).toMatch(/control character/);
    expect(await because(Buffer.from(`${control}Bad: \xff\n`, 'latin1'))).toMatch(/not UTF-8/);
    expect(await because('Package: hello\nVersion: 1\n')).toMatch(/has no Architecture/);
    expect(await because(control.replace('hello', '../../x'))).toMatch(/has Package: "\.\.\/\.\.\/x"/);
    expect(await because(control.replace('Version: 1', 'Version: 1/2'))).toMatch(/has Version: "1\/2"/);
    expect(await because(control.replace('all', 'linux-any'))).toMatch(/has Architecture/);
  });

  test('a control file that is none, twice there, or of a size that none has', async () => {
    expect(await refusal(deb(await tarWith(control, 'other')))).toMatch(/has no control file/);
    expect(await refusal(deb(await tarWith(Buffer.alloc(1024 * 1024 + 1, 'a'))))).toMatch(/has 1048577 bytes/);
    const root = newFolder('link');
    await runChecked('ln', ['-s', '/etc/passwd', join(root, 'control')]);
    expect(await refusal(deb(await tarOf('-C', root, './control')))).toMatch(/not one plain file/);
    const one = await tarWith(control);
    expect(await refusal(deb(Buffer.concat([one.subarray(0, 1024), one])))).toMatch(/not one plain file/);
  });

  test('a control.tar that unpacks to more than any has', async () => {
    const { gzipSync } = await import('node:zlib');
    const root = newFolder('bomb');
    await runChecked('truncate', ['-s', '300M', join(root, 'md5sums')]);
    const header = (await tarOf('-C', root, './md5sums')).subarray(0, 512);
    const zeros = gzipSync(Buffer.alloc(1024 * 1024));
    const bomb = Buffer.concat([gzipSync(header), ...Array.from({ length: 300 }, () => zeros)]);
    const bytes = ar(['debian-binary', '2.0\n'], ['control.tar.gz', bomb], ['data.tar', '']);
    expect(await refusal(bytes)).toMatch(/unpacks to more than/);
  });
});

test('fields of an index are no fields of a package', async () => {
  const { indexPackage } = await import('../../src/apt/package.ts');
  const text = 'Package: hello\nVersion: 1\nArchitecture: all\nFilename: evil.deb\nSHA256: 00\nDescription: x\n more\n';
  const { control } = parseControl(text);
  const sha256 = 'ab'.repeat(32);
  expect(indexPackage(control, { filename: 'pool/main/h/hello/hello_1_all.deb', size: 5, sha256 }).text).toBe(
    `Package: hello\nVersion: 1\nArchitecture: all\nFilename: pool/main/h/hello/hello_1_all.deb\nSize: 5\nSHA256: ${sha256}\nDescription: x\n more\n`,
  );
});
