import { chmodSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { renderExplanation } from '../../src/report/explain.ts';
import { styleFor } from '../../src/report/failure.ts';
import { chain, newRepository, plan, saveAll, writeTree } from '../plan/saved-project.ts';

test('files stand by their paths whatever their modes, what one was above what it is', async () => {
  const folder = newRepository({
    ...chain,
    'docker/service/Dockerfile': 'FROM service_runtime_inference_engine:ubuntu_20.04\nCOPY files /srv/\n',
    'docker/service/files/a.sh': 'a',
    'docker/service/files/b.txt': 'b',
    'docker/service/files/c.sh': 'c',
  });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['a.sh', 'c.sh']) chmodSync(path.join(folder, 'docker/service/files', name), 0o755);
  await saveAll(folder);
  writeTree(folder, { 'docker/service/files/b.txt': 'other' });
  chmodSync(path.join(folder, 'docker/service/files/c.sh'), 0o644);
  const { builds } = await plan(folder);
  const explained = renderExplanation(builds[2]!, styleFor({}, {}));
  const files = explained.split('\n').filter((line) => / file /.test(line));
  expect(files.map((line) => line.replace(/ +file +(\d+) [0-9a-f]+ /, ' $1 '))).toEqual([
    ' 100755 files/a.sh',
    '- 100644 files/b.txt',
    '+ 100644 files/b.txt',
    '- 100755 files/c.sh',
    '+ 100644 files/c.sh',
  ]);
});
