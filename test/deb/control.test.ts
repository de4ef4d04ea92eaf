import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { installedSize } from '../../src/deb/control.ts';
import { planDebs } from '../../src/deb/pack-debs.ts';
import { formatRelation, parseRelation } from '../../src/deb/relation.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { packOne } from './support/pack.ts';
import { deb, makeProject } from './support/project.ts';

const any = { alternatives: true, operators: 'any' } as const;

async function failuresOf(entry: object): Promise<Failure[]> {
  try {
    await planDebs({ config: makeProject({ 'ccai-files': deb(entry) }), version: '1.0.0', images: [] });
  } catch (error) {
    if (error instanceof Failures) return [...error.failures];
    if (error instanceof Failure) return [error];
    throw error;
  }
  return [];
}

const field = (file: string, name: string) =>
  execFileSync('dpkg-deb', ['-f', file, name], { encoding: 'utf8' }).trimEnd();

describe('control fields', () => {
  test('are read by dpkg-deb as they were declared', async () => {
    const { file } = await packOne(
      makeProject({
        'ccai-files': deb({
          description: 'models of CCAI\nFor every device.\n\n  * an item\nEnd.',
          section: 'non-free/science',
          architecture: 'arm64',
          depends: ['libc6 (>=2.31)', 'python3:any (>= 3.9~) | python3.9', 'x+y'],
          recommends: ['curl'],
          conflicts: ['old-ccai (<< 1:1.0-1)'],
          replaces: ['old-ccai'],
          provides: ['models (= 1.0)'],
        }),
      }),
      { version: 'v1.2.0-rc.1+5' },
    );
    const fields = Object.fromEntries(
      [
        'Package',
        'Version',
        'Architecture',
        'Section',
        'Priority',
        'Depends',
        'Conflicts',
        'Provides',
        'Description',
      ].map((name) => [name, field(file, name)]),
    );
    expect(fields).toEqual({
      Package: 'ccai-files',
      Version: '1.2.0~rc.1+5',
      Architecture: 'arm64',
      Section: 'non-free/science',
      Priority: 'optional',
      Depends: 'libc6 (>= 2.31), python3:any (>= 3.9~) | python3.9, x+y',
      Conflicts: 'old-ccai (<< 1:1.0-1)',
      Provides: 'models (= 1.0)',
      Description: 'models of CCAI\n For every device.\n .\n   * an item\n End.',
    });
    expect(file).toMatch(/ccai-files_1\.2\.0~rc\.1\+5_arm64\.deb$/);
  });

  test.each([
    ['a line break in the maintainer', { maintainer: 'A <a@b.c>\nDepends: evil' }, 'maintainer', /line break/],
    ['no address', { maintainer: 'Example Team' }, 'maintainer', /not NAME <ADDRESS>/],
    ['an empty description', { description: ' ' }, 'description', /empty/],
    ['a control character', { description: 'a\u001b[31m' }, 'description', /control character/],
    ['a section with a line break', { section: 'misc\nEssential: yes' }, 'section', /not a section/],
    ['a wild architecture', { architecture: 'linux-any' }, 'architecture', /not an architecture/],
    ['an architecture that there is not', { architecture: 'amd46' }, 'architecture', /knows no such architecture/],
    ['any without a service', { architecture: 'any' }, 'architecture', /no service/],
    ['a comma', { depends: ['a1, b1'] }, 'depends', /comma/],
    ['an injected field', { depends: ['a1\nEssential: yes'] }, 'depends', /line break/],
    ['a lone <', { conflicts: ['aa (< 1.0)'] }, 'conflicts', /write << or <=/],
    ['upper case', { recommends: ['Curl'] }, 'recommends', /not a package/],
    ['alternatives in conflicts', { conflicts: ['aa | bb'] }, 'conflicts', /alternatives/],
    ['an inequality in provides', { provides: ['aa (>= 1)'] }, 'provides', /only = may stand here/],
    ['no version', { depends: ['aa (>= )'] }, 'depends', /not a package/],
    ['a bad version', { depends: ['aa (>= x)'] }, 'depends', /not a Debian version/],
    ['a licence of two lines', { license: 'MIT\nX: y' }, 'license', /line break/],
  ])('with %s are refused at their place', async (_, entry, key, because) => {
    const [failure] = await failuresOf(entry);
    expect(failure?.because).toMatch(because);
    expect(failure?.kind).toBe('input');
    const text = failure!.at!.text;
    expect(text.includes(`${key}:`) || text.trim().startsWith('- '), text).toBe(true);
  });

  test('with several mistakes are all shown', async () => {
    expect(await failuresOf({ section: 'X', depends: ['A', 'fine', 'b c'] })).toHaveLength(3);
  });
});

describe('relations', () => {
  test('are what dpkg reads as one', () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,8}$/);
    const version = fc.stringMatching(/^[0-9]{1,3}(\.[0-9]{1,3})?(~rc[0-9])?(-[0-9])?$/);
    const one = fc.oneof(
      name,
      fc.tuple(name, fc.constantFrom('<<', '<=', '=', '>=', '>>'), version).map(([n, o, v]) => `${n}(${o}${v})`),
    );
    const texts = fc.sample(
      fc.array(one, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|')),
      50,
    );
    const control = [
      ['Package: xx', 'Version: 1', 'Architecture: all', 'Maintainer: a <a@b.c>', 'Description: x'].join('\n'),
      `Depends: ${texts.map((text) => formatRelation(parseRelation(text, any))).join(', ')}\n`,
    ].join('\n');
    const script =
      'from debian.deb822 import Packages; import sys; print(len(Packages(sys.stdin.read()).relations["depends"]))';
    try {
      const count = execFileSync('python3', ['-c', script], {
        input: control,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
      });
      expect(Number(count)).toBe(texts.length);
    } catch (error) {
      // python-debian is not on every machine; dpkg's own reading is covered by the installation tests.
      expect(String((error as { stderr: Buffer | string }).stderr)).toContain('debian');
    }
    for (const text of texts) {
      const formatted = formatRelation(parseRelation(text, any));
      expect(formatRelation(parseRelation(formatted, any))).toBe(formatted);
    }
  });
});

test('Installed-Size counts as dpkg-gencontrol does', () => {
  const sizes = [
    { type: 'directory', size: 0 },
    { type: 'file', size: 0 },
    { type: 'file', size: 1 },
    { type: 'file', size: 1025 },
    { type: 'symlink', size: 0 },
  ];
  expect(installedSize(sizes)).toBe(1 + 0 + 1 + 2 + 1);
});
