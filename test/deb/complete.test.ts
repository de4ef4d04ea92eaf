import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkDebs } from '../../src/deb/check.ts';
import { Failure, Failures } from '../../src/failure.ts';
import { deb, makeProject } from './support/project.ts';

const files = {
  'models/ocr/weights.bin': 'o',
  'models/ocr/labels.txt': 'l',
  'models/tts/weights.bin': 't',
  'models/README.md': 'r',
};

const ocr = deb({
  tree: 'models',
  ignore: ['models/README.md'],
  contents: [{ src: 'models/ocr', dst: '/opt/models/ocr' }],
});
const tts = deb({ contents: [{ src: 'models/tts/*.bin', dst: '/opt/models/tts' }] });

async function failures(debs: object, more: Record<string, string> = {}, prepare?: (root: string) => void) {
  const config = makeProject(debs, { ...files, ...more });
  prepare?.(config.root);
  const error = await checkDebs(config).catch((caught: unknown) => caught);
  return error instanceof Failures ? [...error.failures] : error instanceof Failure ? [error] : [];
}

describe('every file of a declared tree', () => {
  test('is in exactly one package, or ignored', async () => {
    expect(await failures({ ocr, tts })).toEqual([]);
  });

  test('is an error where it is in none, with the nearest pattern', async () => {
    expect(await failures({ ocr, tts }, { 'models/tts/weights.bim': 'x' })).toMatchObject([
      {
        because: 'package tts: models/tts/weights.bim is in no package',
        fix: 'the nearest pattern is models/tts/*.bin of tts; pack the file, or write it to ignore:',
        at: { text: expect.stringContaining('models/tts/*.bin') },
        kind: 'input',
      },
    ]);
  });

  test('is an error where it is in two, even under two names', async () => {
    const other = deb({ contents: [{ src: 'models/ocr/labels.txt', dst: '/opt/other/' }] });
    expect(await failures({ ocr, tts, other })).toMatchObject([
      { because: 'package other: models/ocr/labels.txt is in ocr (models/ocr) and in other' },
    ]);
  });

  test('counts, links and hidden ones, too', async () => {
    const found = await failures({ ocr, tts }, { 'models/.hidden': '' }, (root) => {
      symlinkSync('ocr', join(root, 'models/link'));
      mkdirSync(join(root, 'models/empty'));
    });
    expect(found.map(({ because }) => because.replace(/^package \w+: /, ''))).toEqual([
      'models/.hidden is in no package',
      'models/link is in no package',
    ]);
  });

  test('is that of its package although that is off', async () => {
    expect(await failures({ ocr, tts: { ...tts, off: true } })).toEqual([]);
  });

  test('is told one by one up to twenty, and then by number', async () => {
    const many = Object.fromEntries(Array.from({ length: 25 }, (_, index) => [`models/x/${index}`, '']));
    const found = await failures({ ocr, tts }, many);
    expect(found).toHaveLength(21);
    expect(found.at(-1)!.because).toContain('5 more files of models are in no package, or in several');
  });

  test('of the whole repository: what declares the packages is in none, and needs no word', async () => {
    const all = deb({ tree: '.', contents: [{ src: 'models', dst: '/opt/models' }] });
    expect(await failures({ all })).toEqual([]);
    expect(await failures({ all }, { 'src/x': '' })).toMatchObject([
      { because: 'package all: src/x is in no package' },
    ]);
  });
});

describe('every pattern', () => {
  test('of ignore: matches something', async () => {
    const wrong = { ...ocr, ignore: ['models/README.md', 'models/READYOU.md'] };
    expect(await failures({ ocr: wrong, tts })).toMatchObject([
      {
        because: 'package ocr: no file matches models/READYOU.md',
        fix: 'the nearest is models/README.md',
        at: { text: expect.stringContaining('models/READYOU.md') },
      },
    ]);
  });

  test('of a package that is off may match nothing: its files need not be there', async () => {
    const gone = deb({ off: true, contents: [{ src: 'models/gone', dst: '/opt/models/gone' }] });
    expect(await failures({ ocr, tts, gone })).toEqual([]);
  });

  test('of a tree is a folder', async () => {
    expect(await failures({ ocr: { ...ocr, tree: 'model' }, tts })).toMatchObject([
      { because: 'package ocr: there is no folder model' },
    ]);
  });
});
