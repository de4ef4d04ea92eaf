import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { putImage } from './content.ts';

const execute = promisify(execFile);
let folder: string;
let store: LayoutStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'imgbuild-readers-'));
  store = new LayoutStore(join(folder, 'store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('independent readers', () => {
  it('skopeo and umoci read what is saved', async () => {
    await putImage(store, 'service_runtime', 'fp-0123', ['one', 'two'], { tar: true });
    await putImage(store, 'path/other', 'fp-4567', ['three'], { tar: true });
    const inspected = await execute('skopeo', ['inspect', `oci:${store.path}:service_runtime:fp-0123`]);
    expect(JSON.parse(inspected.stdout).Layers).toHaveLength(2);
    await execute('skopeo', ['copy', `oci:${store.path}:path/other:fp-4567`, `dir:${folder}/copied`]);
    const listed = await execute('umoci', ['ls', '--layout', store.path]);
    expect(listed.stdout.trim().split('\n').toSorted()).toEqual(['path/other:fp-4567', 'service_runtime:fp-0123']);
  });

  it('a layout that skopeo writes is read', async () => {
    await putImage(store, 'a', 't', ['one'], { tar: true });
    const theirs = new LayoutStore(join(folder, 'theirs'));
    await execute('skopeo', ['copy', `oci:${store.path}:a:t`, `oci:${theirs.path}:b:u`]);
    const found = await theirs.getManifest('b', 'u');
    expect(JSON.parse(Buffer.from(found!.bytes).toString()).layers).toHaveLength(1);
  });
});
