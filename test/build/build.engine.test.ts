import { writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { sourceDateEpoch } from '../../src/build/build-layer.ts';
import type { LayerEvent } from '../../src/build/event.ts';
import { Failure } from '../../src/failure.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { readTar } from '../../src/tar/extract.ts';
import {
  chainFiles,
  engineProject,
  outcomes,
  readSaved,
  storeContains,
  type EngineProject,
} from '../support/engine-project.ts';

const projects: EngineProject[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const project of projects.splice(0)) await project.remove();
});

const tagsOf = async (project: EngineProject) =>
  (await project.docker('image', 'ls', '--format', '{{.Repository}}:{{.Tag}}')).split('\n').toSorted();

describe.each(['classic', 'current'] as const)('build on the %s engine', (name) => {
  const engine = inject('engines')[name];
  const open = async (files: Record<string, string>): Promise<EngineProject> => {
    if (!engine.available) throw new Error(engine.because);
    const project = await engineProject(engine, files);
    projects.push(project);
    return project;
  };
  const digests = (report: { layers: { name: string; digest: Digest }[] }) =>
    Object.fromEntries(report.layers.map((layer) => [layer.name, layer.digest]));

  it.skipIf(!engine.available)('builds a chain of three, reuses it, and builds only what changed', async () => {
    const project = await open(chainFiles);
    const first = await project.build();
    expect(outcomes(first)).toEqual({ base: 'built', engine: 'built', service: 'built' });
    expect(await project.leftovers()).toEqual([]);
    const again = await project.build();
    expect(outcomes(again)).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });
    expect(again.engine).toBeNull();
    expect(digests(again)).toEqual(digests(first));

    await project.write({ 'engine/engine.txt': 'another engine\n' });
    const changed = await project.build({ load: true });
    expect(outcomes(changed)).toEqual({ base: 'reused', engine: 'built', service: 'built' });
    expect(digests(changed)['base']).toBe(digests(first)['base']);
    expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\nanother engine\nservice\n');

    await project.write({ 'engine/engine.txt': 'engine\n' });
    const reverted = await project.build();
    expect(outcomes(reverted)).toEqual({ base: 'reused', engine: 'reused', service: 'reused' });
    expect(digests(reverted)).toEqual(digests(first));
  });

  it.skipIf(!engine.available)(
    'gives a child the filesystem layers of its parent, under the same descriptors',
    async () => {
      const project = await open(chainFiles);
      const store = await project.store();
      const saved = digests(await project.build());
      const base = await readSaved(store, 'tiny_base', saved['base']!);
      const middle = await readSaved(store, 'tiny_engine', saved['engine']!);
      const service = await readSaved(store, 'tiny_service', saved['service']!);
      expect(middle.config.rootfs.diff_ids.slice(0, 2)).toEqual(base.config.rootfs.diff_ids);
      const stored = ({ manifest }: typeof base) => manifest.layers.map(({ digest, size }) => ({ digest, size }));
      expect(stored(middle).slice(0, 2)).toEqual(stored(base));
      expect(stored(service).slice(0, 3)).toEqual(stored(middle));
      expect(service.manifest.layers).toHaveLength(4);
      expect(Object.keys(service.config.config?.Labels ?? {})).toEqual(['vnd.imgbuild.fingerprint']);
    },
  );

  it.skipIf(!engine.available)(
    'builds with target, args, labels, copy entries, and from other layers by COPY and mount',
    async () => {
      const project = await open({
        ...chainFiles,
        'imgbuild.yaml': `version: 1
name: tiny
args: { COLOUR: green }
layers:
  base: { context: base, image: "tiny_base:1.0" }
  tools: { context: tools, image: tiny_tools }
  service:
    context: service
    image: tiny_service
    target: wanted
    args: { WORKERS: "4, or \\"five\\"" }
    labels: { team: "a, b=c" }
    copy: [{ src: common, dst: lib/common }]
bases: { "tiny:1": oci:./bases/tiny }
`,
        'common/shared.txt': 'shared\n',
        'tools/Dockerfile': 'FROM tiny:1\nRUN echo tools > /tools\n',
        'service/Dockerfile': `FROM tiny_base:1.0 AS wanted
ARG WORKERS
RUN --mount=type=bind,from=tiny_tools,target=/mnt cat /mnt/tools > /from-mount && echo "$WORKERS" > /workers
COPY --from=tiny_tools:latest /tools /from-copy
COPY lib/common/shared.txt /shared.txt
CMD ["cat", "/base", "/from-mount", "/from-copy", "/workers", "/shared.txt"]
FROM wanted
RUN exit 1
`,
      });
      await project.build({ load: true });
      expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\ntools\ntools\n4, or "five"\nshared\n');
      const labels = await project.docker('image', 'inspect', '--format', '{{json .Config.Labels}}', 'tiny_service');
      expect(JSON.parse(labels)).toMatchObject({ team: 'a, b=c' });
    },
  );

  it.skipIf(!engine.available)(
    'lends secrets, proxies and certificates to a build and keeps them out of the image',
    async () => {
      const project = await open({
        ...chainFiles,
        'imgbuild.yaml': `version: 1
name: tiny
layers:
  base:
    context: base
    image: "tiny_base:1.0"
    secrets: [{ id: token, env: TEST_TOKEN }, { id: file, file: ./secret.txt }]
bases: { "tiny:1": oci:./bases/tiny }
`,
        'secret.txt': 'secret-of-a-file-53',
        'ca.pem': 'certificate-of-a-proxy-53',
        'base/Dockerfile': `FROM tiny:1
RUN --mount=type=secret,id=token --mount=type=secret,id=file --mount=type=secret,id=ca,target=/run/secrets/ca.pem,required=false \\
    --mount=type=secret,id=pipconf,target=/etc/pip.conf,required=false \\
    grep -q tok.n-53 /run/secrets/token && grep -q of-a-file /run/secrets/file && grep -q of-a-prox. /run/secrets/ca.pem && \\
    grep -q 'cert = /run/secrets/ca.pem' /etc/pip.conf && grep -q 'index-url = http://mirr.r-53.invalid' /etc/pip.conf && \\
    echo "$http_proxy" | grep -q http://pr.xy-53.invalid:3128 && echo all there > /result
`,
      });
      const env = {
        ...project.engine.env,
        TEST_TOKEN: 'token-53',
        SSL_CERT_FILE: join(project.root, 'ca.pem'),
        PIP_INDEX_URL: 'http://mirror-53.invalid/simple',
        http_proxy: 'http://proxy-53.invalid:3128',
        no_proxy: '*',
      };
      const report = await project.build({ env });
      const saved = await readSaved(await project.store(), 'tiny_base', report.layers[0]!.digest);
      expect(saved.tars.at(-1)!.includes('all there')).toBe(true);
      for (const secret of ['token-53', 'secret-of-a-file-53', 'certificate-of-a-proxy-53', 'mirror-53', 'proxy-53']) {
        expect(await storeContains(project.root, secret)).toEqual([]);
      }
      // Another value of a secret or a proxy is no other image.
      const other = await project.build({
        env: { ...env, TEST_TOKEN: 'other', http_proxy: 'http://elsewhere.invalid' },
      });
      expect(outcomes(other)).toEqual({ base: 'reused' });

      await project.write({
        'base/Dockerfile': 'FROM tiny:1\nRUN --mount=type=secret,id=file cat /run/secrets/file && false\n',
      });
      const failed = (await project.build({ env }).catch((thrown: unknown) => thrown)) as Failure;
      expect(failed.because).toMatch(/its last output:\n +\*\*\*/);
      expect(failed.because).not.toContain('secret-of-a-file-53');
    },
  );

  it.skipIf(!engine.available)(
    'shows a failing step with its line and its last output, and keeps the layers before it',
    async () => {
      const project = await open({
        ...chainFiles,
        'service/Dockerfile':
          'FROM tiny_engine\n# a comment\nRUN echo before; \\\n  echo what is wrong >&2; \\\n  exit 7\n',
      });
      const error = await project.build().catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(Failure);
      const failure = error as Failure;
      expect(failure.at).toMatchObject({ file: 'service/Dockerfile', line: 3, text: 'RUN echo before; \\' });
      expect(failure.because).toContain('exit code: 7');
      expect(failure.because).toContain('what is wrong');
      expect(failure.exitCode).toBe(1);
      expect(await project.leftovers()).toEqual([]);

      await project.write({ 'service/Dockerfile': 'FROM tiny_engine\nRUN true\n' });
      expect(outcomes(await project.build())).toEqual({ base: 'reused', engine: 'reused', service: 'built' });
    },
  );

  it.skipIf(!engine.available)(
    'names the COPY whose file is missing, and the # syntax line that cannot be fetched',
    async () => {
      const project = await open({ ...chainFiles, 'service/Dockerfile': 'FROM tiny_engine\nCOPY nothing.txt /\n' });
      const planned = (await project.build().catch((thrown: unknown) => thrown)) as Failure;
      expect(planned.at).toMatchObject({ file: 'service/Dockerfile', line: 2, column: 6 });
      expect(planned.because).toContain('COPY nothing.txt: the context service has no such file');

      await project.write({ 'service/Dockerfile': 'FROM tiny_engine\nCOPY --from=tiny_engine /nothing.txt /\n' });
      const missing = (await project.build().catch((thrown: unknown) => thrown)) as Failure;
      expect(missing.at).toMatchObject({ file: 'service/Dockerfile', line: 2 });
      expect(missing.because).toMatch(/nothing\.txt: no such file or directory/);

      const digest = `sha256:${'0'.repeat(64)}`;
      await project.write({
        'service/Dockerfile': '# syntax=registry.invalid/dockerfile:1\nFROM tiny_engine\nRUN true\n',
        'imgbuild.lock': `${JSON.stringify({ syntax: 'registry.invalid/dockerfile:1', digest })}\n`,
      });
      const syntax = (await project.build().catch((thrown: unknown) => thrown)) as Failure;
      expect(syntax.at).toMatchObject({ file: 'service/Dockerfile', line: 1 });
      expect(syntax.because).toContain('# syntax line names cannot be fetched');
    },
  );

  it.skipIf(!engine.available)('Ctrl-C in the middle of a step leaves nothing but what was saved', async () => {
    const project = await open({ ...chainFiles, 'service/Dockerfile': 'FROM tiny_engine\nRUN echo going; sleep 77\n' });
    await project.build({ layers: ['engine'] });
    const before = await tagsOf(project);
    const stop = new AbortController();
    const onEvent = (event: LayerEvent) => {
      if (event.kind === 'step' && event.event.kind === 'log' && event.event.text.includes('going')) {
        stop.abort(new Error('stopped by SIGINT'));
      }
    };
    const begun = Date.now();
    await expect(project.build({ signal: stop.signal, onEvent })).rejects.toThrow('stopped by SIGINT');
    expect(Date.now() - begun).toBeLessThan(60_000);
    expect(await project.leftovers()).toEqual([]);
    expect(await project.docker('ps', '--all', '--quiet')).toBe('');
    expect(await tagsOf(project)).toEqual(before);
    await project.write({ 'service/Dockerfile': 'FROM tiny_engine\nRUN true\n' });
    expect(outcomes(await project.build())).toEqual({ base: 'reused', engine: 'reused', service: 'built' });
  });

  it.skipIf(!engine.available)(
    'a file that changes between plan and build is not saved under its former content',
    async () => {
      const project = await open(chainFiles);
      const onPlan = () => writeFileSync(join(project.root, 'engine/engine.txt'), 'written meanwhile\n');
      const error = (await project.build({ onPlan }).catch((thrown: unknown) => thrown)) as Failure;
      expect(error.because).toBe('engine/engine.txt changed while it was built');
      await project.write({ 'engine/engine.txt': 'engine\n' });
      const report = await project.build({ load: true });
      expect(outcomes(report)).toEqual({ base: 'reused', engine: 'built', service: 'built' });
      expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\nengine\nservice\n');
    },
  );

  it.skipIf(!engine.available)('builds on an image that only the local engine has', async () => {
    const configuration = chainFiles['imgbuild.yaml']!.replace(/bases:.*\n/, '');
    const project = await open({ ...chainFiles, 'imgbuild.yaml': configuration });
    await project.docker('import', inject('rootfs').tiny, 'registry.invalid/local-only:1');
    await project.write({ 'base/Dockerfile': 'FROM registry.invalid/local-only:1\nRUN echo base > /base\n' });
    vi.stubEnv('DOCKER_HOST', project.engine.env['DOCKER_HOST']!);
    const report = await project.build({ load: true });
    expect(outcomes(report)).toEqual({ base: 'built', engine: 'built', service: 'built' });
    expect(await project.docker('run', '--rm', 'tiny_service')).toBe('base\nengine\nservice\n');
  });

  it.skipIf(!engine.available)('two builds of one layer at once end with one image', async () => {
    const project = await open({
      ...chainFiles,
      'base/Dockerfile': 'FROM tiny:1\nRUN head -c 64 /dev/urandom > /random; sleep 1\n',
    });
    const reports = await Promise.all([project.build({ layers: ['base'] }), project.build({ layers: ['base'] })]);
    const [winner] = (await project.build({ layers: ['base'] })).layers;
    expect(winner!.outcome).toBe('reused');
    for (const report of reports) expect(['built', 'adopted']).toContain(report.layers[0]!.outcome);
    // Whoever ended last knows the image that counts.
    expect(reports.map((report) => report.layers[0]!.digest)).toContain(winner!.digest);
    await readSaved(await project.store(), 'tiny_base', winner!.digest);
  });

  it.skipIf(!engine.available)('--force on a parent builds it and its children anew', async () => {
    const project = await open({
      ...chainFiles,
      'base/Dockerfile': 'FROM tiny:1\nRUN head -c 64 /dev/urandom > /base\n',
    });
    const first = digests(await project.build());
    const forced = await project.build({ layers: ['base'], force: true });
    expect(outcomes(forced)).toEqual({ base: 'built' });
    expect(digests(forced)['base']).not.toBe(first['base']);
    const children = await project.build();
    expect(outcomes(children)).toEqual({ base: 'reused', engine: 'built', service: 'built' });
    const base = await readSaved(await project.store(), 'tiny_base', digests(forced)['base']!);
    const service = await readSaved(await project.store(), 'tiny_service', digests(children)['service']!);
    expect(service.config.rootfs.diff_ids.slice(0, 2)).toEqual(base.config.rootfs.diff_ids);
  });

  it.skipIf(!engine.available)('builds independent layers side by side', async () => {
    const project = await open({
      'imgbuild.yaml': `version: 1
name: tiny
layers:
  left: { context: left, image: tiny_left }
  right: { context: right, image: tiny_right }
bases: { "tiny:1": oci:./bases/tiny }
`,
      'left/Dockerfile': 'FROM tiny:1\nRUN sleep 2; echo left > /left\n',
      'right/Dockerfile': 'FROM tiny:1\nRUN sleep 2; echo right > /right\n',
    });
    const events: LayerEvent[] = [];
    await project.build({ atOnce: 2 }, events);
    const order = events.filter(({ kind }) => kind === 'started' || kind === 'done').map(({ kind }) => kind);
    expect(order).toEqual(['started', 'started', 'done', 'done']);
  });

  // The classic engine cannot: docs/engines.md says what follows.
  const rewrites = name === 'current';
  const onRewriting = rewrites ? it.skipIf(!engine.available) : () => {};
  onRewriting('deterministic steps give the same image on a builder that rewrites timestamps', async () => {
    const files = {
      ...chainFiles,
      'base/Dockerfile': 'FROM tiny:1\nRUN true\nRUN true\nRUN echo base > /base && mkdir /d && touch /d/f\n',
    };
    const one = await open(files);
    const first = await one.build();
    await one.docker('builder', 'prune', '--all', '--force');
    const other = await open(files);
    await writeFile(join(other.root, 'unrelated.txt'), 'x');
    const second = await other.build();
    const configs = async (project: EngineProject, report: typeof first) =>
      Promise.all(
        report.layers.map(
          async ({ repository, digest }) => (await readSaved(await project.store(), repository, digest)).config,
        ),
      );
    expect(await configs(other, second)).toEqual(await configs(one, first));
    const { repository, digest } = first.layers[0]!;
    const { tars } = await readSaved(await one.store(), repository, digest);
    const times = async (tar: Buffer) => {
      const entries: number[] = [];
      for await (const { header } of readTar(Readable.from([tar]))) entries.push(header.mtime);
      return Math.max(...entries);
    };
    expect(await times(tars.at(-1)!)).toBe(sourceDateEpoch);
  });
});
