import { rmSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { watchContext } from '../../src/build/unchanged.ts';
import { chain, newRepository, plan, writeTree, type Tree } from '../plan/saved-project.ts';

/** Plans the chain with these files; the result tells what a build of `service` would be ended with. */
async function planned(tree: Tree = {}) {
  const folder = newRepository({ ...chain, ...tree });
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { project, builds } = await plan(folder);
  const build = builds.find(({ planned: { name } }) => name === 'service')!;
  const ends = (signal = new AbortController().signal) =>
    watchContext(project.config, build, signal)
      .settled()
      .then(() => undefined)
      .catch((error: Error) => error.message);
  const watch = () => watchContext(project.config, build, new AbortController().signal);
  return { folder, ends, watch };
}

describe('a build whose files are not those of the plan any more', () => {
  const told = (file: string) => `building service: ${file} changed while it was built`;

  test('ends with the name of the one that is another now', async () => {
    const { folder, ends } = await planned();
    expect(await ends()).toBeUndefined();
    writeTree(folder, { 'README.md': 'read by nobody', 'docker/service/notes.txt': 'copied by nobody' });
    expect(await ends()).toBeUndefined();
    writeTree(folder, { 'docker/service/app.py': 'print("meanwhile")\n' });
    expect(await ends()).toBe(told('docker/service/app.py'));
  });

  test('names a file that is gone by its place in the repository', async () => {
    const { folder, ends } = await planned();
    rmSync(path.join(folder, 'docker/service/app.py'));
    expect(await ends()).toBe(told('docker/service/app.py'));
  });

  test('looks at the whole context where nobody knows what is read', async () => {
    const dockerfile = 'FROM service_runtime_inference_engine:ubuntu_20.04\nCOPY --unheard-of app.py /srv/\n';
    const { folder, ends } = await planned({ 'docker/service/Dockerfile': dockerfile });
    expect(await ends()).toBeUndefined();
    writeTree(folder, { 'docker/service/notes.txt': 'x' });
    expect(await ends()).toBe(told('docker/service/notes.txt'));
  });

  test('ends with its Dockerfile, edited or gone; comments are no change', async () => {
    const { folder, ends } = await planned();
    const dockerfile = 'docker/service/Dockerfile';
    writeTree(folder, { [dockerfile]: `${chain[dockerfile]}RUN true\n` });
    expect(await ends()).toBe(told(dockerfile));
    rmSync(path.join(folder, dockerfile));
    expect(await ends()).toBe(told(dockerfile));
  });

  test('is looked at no more where the engine failed first', async () => {
    const { watch } = await planned();
    const one = watch();
    one.onStep({ kind: 'step-started', id: '1', name: '[internal] load build context', cached: false });
    one.onStep({ kind: 'step-done', id: '1', cached: false });
    await one.close();
    const still = new Promise((resolve) => setImmediate(resolve, 'reading'));
    expect(await Promise.race([one.settled().catch(() => 'ended'), still])).toBe('ended');
  });

  test('does not go on when it is stopped', async () => {
    const { ends } = await planned();
    expect(await ends(AbortSignal.abort(new Error('stopped')))).toBe('stopped');
  });
});
