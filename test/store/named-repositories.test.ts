import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openProject } from '../../src/project/open.ts';
import { namedRepositories } from '../../src/project/repositories.ts';
import { readRelease } from '../../src/release/release-store.ts';
import { noise } from '../delta/sample-image.ts';
import { writeTree } from '../plan/saved-project.ts';
import { makeSmallProject, releaseSaved, smallProject } from '../release/saved-project.ts';

let folder: string;
beforeEach(() => {
  folder = makeSmallProject();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const big = (seed: string) => noise(700_000, seed).toString('base64');

test('a store that cannot name its repositories is asked for all that configuration and releases have in it', async () => {
  writeTree(folder, {
    'imgbuild.yaml': `${smallProject['imgbuild.yaml']}  lib++:
    description: big files
    maintainer: imgbuild examples <examples@example.com>
    split: 1MB
    compression: gzip
    contents: [{ src: big, dst: /opt/quick }]
  folder: { from: package/debian }
models:
  mood: { files: [big], targets: [modelpack, deb], split: 1MB }
`,
    'big/1': big('1'),
    'big/2': big('2'),
    'big/3': big('3'),
    'package/debian/control': [
      'Source: quick',
      'Maintainer: A <a@example.com>',
      '',
      'Package: quick-folder',
      'Architecture: all',
      'Description: x',
      '',
    ].join('\n'),
    'package/debian/changelog':
      'quick (1.0) stable; urgency=low\n\n  * x\n\n -- A <a@b.c>  Mon, 01 Jan 2024 00:00:00 +0000\n',
    'package/debian/quick-folder.install': 'f opt/quick-folder\n',
    'package/f': 'f',
  });
  await releaseSaved(folder, '1.0.0');
  const { config, store } = await openProject({ directory: folder });
  const all = (await store.listRepositories())!;
  expect(all).toEqual(
    expect.arrayContaining([
      'debs/lib_2b_2b_2dpart3',
      'debs/quick-folder',
      'debs/quick-model-mood',
      'debs/quick-model-mood-part3',
      'models/mood',
      'quick_service',
      'releases',
    ]),
  );
  const nameless = (await openProject({ directory: folder })).store;
  nameless.listRepositories = async () => undefined;
  const named = await namedRepositories({ config, store: nameless }, [], process.env);
  expect(all.filter((repository) => !named.includes(repository))).toEqual([]);

  // What the configuration has no more, the releases name.
  const { release } = (await readRelease(store, '1.0.0' as never))!;
  rmSync(join(folder, 'package'), { recursive: true });
  const emptied = { ...config, layers: [], debs: config.debs.filter(({ name }) => name === 'folder'), models: [] };
  const left = await namedRepositories({ config: emptied, store: nameless }, [release], process.env);
  expect(all.filter((repository) => !left.includes(repository))).toEqual([]);
});
