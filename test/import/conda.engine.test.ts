import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, inject, test } from 'vitest';
import { writeBaseLayout } from '../../scripts/support/base-image.ts';
import { hostPlatform } from '../../src/oci/platform.ts';
import { EngineProject } from '../support/engine-project.ts';

const engine = inject('engines').current;
const answers = (address: string) =>
  fetch(address, { method: 'HEAD', signal: AbortSignal.timeout(10_000) }).then(
    ({ status }) => status < 500,
    () => false,
  );
// Of Docker Hub comes micromamba.
const reachable =
  (await answers('https://conda.anaconda.org/conda-forge/noarch/current_repodata.json')) &&
  (await answers('https://registry-1.docker.io/v2/'));

let project: EngineProject | undefined;
afterAll(() => project?.remove());

test.skipIf(!engine.available || !reachable)('conda makes the environment', { timeout: 900_000 }, async () => {
  if (!engine.available) return;
  project = new EngineProject(mkdtempSync(path.join(tmpdir(), 'imgbuild-conda-')), engine);
  const base = { reference: 'debian:12', platform: hostPlatform() };
  await writeBaseLayout(inject('rootfs').system, path.join(project.root, 'bases/debian'), base);
  await project.write({
    'imgbuild.yaml': `version: 1
name: conda
layers: { app: { envd: build.envd } }
bases: { "debian:12": oci:./bases/debian }
`,
    'build.envd': `def build():
    base(os="debian12", language="python3.11")
    install.conda_packages(name=["tabulate"], channel=["conda-forge"])
    io.copy("app.py", "/srv/app.py")
    config.entrypoint(["python", "/srv/app.py"])
`,
    'app.py': 'import sys, tabulate\nprint(sys.version_info[:2], tabulate.__name__)\n',
  });
  const { layers } = await project.build({ load: true });
  expect(layers.map(({ name }) => name)).toEqual(['app-python', 'app']);
  expect(await project.docker('run', '--rm', 'app')).toBe('(3, 11) tabulate\n');
});
