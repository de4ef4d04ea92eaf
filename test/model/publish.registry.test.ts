import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { LayoutStore } from '../../src/store/layout.ts';
import { RegistryStore } from '../../src/store/registry.ts';
import { describePublishing, publish } from './publishing.ts';
import { assemble, newCache, temporary, withModels } from './support.ts';

const execute = promisify(execFile);
const { plain, v3 } = inject('registries');
const anonymous = { credentials: async () => undefined };
const open = (path = 'acme/models') => new RegistryStore(plain.host, path, anonymous);

describePublishing('docker-registry 2.8', open, 'mounted');
if (v3.available)
  describePublishing('distribution v3', () => new RegistryStore(v3.host, 'acme/models', anonymous), 'mounted');
else it.skip(`store contract: distribution v3: models (${v3.because})`, () => {});

const weights = randomBytes(5_000_000);
const files = { 'm/net.bin': weights, 'm/conf/net.json': '{}', 'm/größe 1.txt': 'x' };
const config = () => withModels({ ocr: { files: ['m'], license: 'MIT' } }, files);

it('an independent reader pulls a model by tag, file for file', async () => {
  const path = `readers/${randomBytes(4).toString('hex')}`;
  await publish(config(), open(path), { version: '1.2.0' });
  const folder = temporary('pulled');
  const script = resolve(import.meta.dirname, 'read_model.py');
  const { stdout } = await execute('python3', [script, plain.host, `${path}/models/ocr`, '1.2.0', folder]);
  expect(JSON.parse(stdout)).toEqual({ name: 'ocr', licenses: ['MIT'] });
  expect(readdirSync(folder, { recursive: true }).toSorted()).toEqual([
    'conf',
    'conf/net.json',
    'größe 1.txt',
    'net.bin',
  ]);
  expect(readFileSync(join(folder, 'net.bin')).equals(weights)).toBe(true);
});

it('skopeo copies a model from the registry and from a folder, and its digest stays', async () => {
  const path = `readers/${randomBytes(4).toString('hex')}`;
  const { published } = await publish(config(), open(path), { version: '1.2.0' });
  const target = new LayoutStore(join(temporary('skopeo'), 'layout'));
  const from = `docker://${plain.host}/${path}/models/ocr:1.2.0`;
  await execute('skopeo', ['copy', '--src-tls-verify=false', from, `oci:${target.path}:models/ocr:1.2.0`]);
  const copied = await target.getManifest('models/ocr', '1.2.0');
  expect(copied?.descriptor.digest).toBe(published.digest);

  const folder = new LayoutStore(join(temporary('skopeo'), 'store'));
  await publish(config(), folder, { version: '1.2.0' });
  const back = `docker://${plain.host}/${path}-back/ocr:1.2.0`;
  await execute('skopeo', ['copy', '--dest-tls-verify=false', `oci:${folder.path}:models/ocr:1.2.0`, back]);
  const there = await open(`${path}-back`).getManifest('ocr', '1.2.0');
  expect(there?.descriptor.digest).toBe(published.digest);
});

it('what one project publishes is a source of another', async () => {
  const path = `sources/${randomBytes(4).toString('hex')}`;
  const { published } = await publish(config(), open(path), { version: '1.2.0' });
  const source = { oci: `${plain.host}/${path}/models/ocr:1.2.0@${published.digest}` };
  const taken = await assemble(withModels({ taken: { source } }), newCache());
  expect(taken.map(({ path: place }) => place)).toEqual(['conf/net.json', 'größe 1.txt', 'net.bin']);
  expect(readFileSync(taken[2]!.file!).equals(weights)).toBe(true);
});
