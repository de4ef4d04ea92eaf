import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { newRepository, saveAll, writeTree } from '../plan/saved-project.ts';

const main = path.resolve(import.meta.dirname, '../../src/cli/main.ts');

test('plan --json has exactly the documented keys, in their order', async () => {
  const folder = newRepository();
  const digests = await saveAll(folder);
  writeTree(folder, { 'docker/service/app.py': 'print("bye")\n' });
  const { stdout, status } = spawnSync(process.execPath, [main, '-C', folder, 'plan', '--json'], { encoding: 'utf8' });
  expect(status).toBe(0);
  const fingerprints = [...stdout.matchAll(/"fingerprint":"([0-9a-f]{64})"/g)].map(([, hex]) => hex);
  const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const layer = (index: number, name: string, image: string) => {
    return { name, platform, image, repository: image.replace(/:.*/, ''), fingerprint: fingerprints[index] };
  };
  const reused = (name: string, parents: string[]) => {
    const digest = digests.get(name);
    return { action: 'reuse', digest, parents, wave: null, comparedWith: null, reasons: [], reasonCount: 0 };
  };
  const document = {
    schema: 1,
    store: 'oci:.imgbuild/store',
    layers: [
      { ...layer(0, 'base', 'service_runtime_base:ubuntu_20.04'), ...reused('base', []) },
      { ...layer(1, 'engine', 'service_runtime_inference_engine:ubuntu_20.04'), ...reused('engine', ['base']) },
      {
        ...layer(2, 'service', 'service_runtime'),
        action: 'build',
        digest: null,
        parents: ['engine'],
        wave: 0,
        comparedWith: digests.get('service'),
        reasons: [{ kind: 'file-changed', path: 'docker/service/app.py' }],
        reasonCount: 1,
      },
    ],
    waves: [[{ name: 'service', platform }]],
    hasWork: true,
    warnings: [],
  };
  expect(stdout).toBe(`${JSON.stringify(document)}\n`);
});

test('docs/plan.md names every key and every kind of reason', () => {
  const root = path.resolve(import.meta.dirname, '../..');
  const [declared, page] = ['src/plan/plan.ts', 'docs/plan.md'].map((file) =>
    readFileSync(path.join(root, file), 'utf8'),
  ) as [string, string];
  const rows = page
    .split('\n')
    .flatMap((line) => (line.startsWith('| `') ? line.split(' | ')[0]!.match(/`[^`]+`/g)! : []));
  const keys = [...declared.matchAll(/^ {2}(\w+)\??:/gm)].map(([, key]) => key!);
  const kinds = [...declared.matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, kind]) => kind!);
  expect([keys.length, kinds.length]).toEqual([25, 18]);
  // The fields of a reason stand in the text above its kinds.
  const reason = new Set(['kind', 'path', 'name', 'line', 'from', 'to', 'detail']);
  const told = (word: string) => (reason.has(word) ? page.includes(`\`${word}\``) : rows.includes(`\`${word}\``));
  expect([...keys, ...kinds].filter((word) => !told(word))).toEqual([]);
});
