import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findConfig } from '../../src/config/find.ts';
import { loadConfig } from '../../src/config/load.ts';
import { Failure } from '../../src/failure.ts';
import { head, layers, load, root } from '../support/config-file.ts';

describe('a whole file', () => {
  test('comes out typed, with every default', async () => {
    const config = await load(`${head}store: ghcr.io/acme/ccai
platforms: [linux/amd64, linux/arm64/v8]
args: { OPENVINO: "y" }
layers:
  base: { context: ./docker/base/, image: service_runtime_base:ubuntu_20.04, platforms: [linux/arm/v7] }
  service:
    context: docker/service
    dockerfile: docker/engine/Dockerfile
    target: runtime
    args: { WORKERS: "4" }
    image: deep/service_runtime
    copy: [{ src: docker/base, dst: ./lib/common }]
    git: true
    refresh: monthly
    release: true
    needs: [base]
    labels: { a.b: c }
    secrets: [{ id: pip, env: TOKEN }, { id: ca, file: /etc/ca.pem }]
    ssh: [default]
bases: { "debian:12": oci:./bases/debian:bookworm }
debs: { ccai: { service: service, description: d, maintainer: m } }
models: { ocr: { files: [models/*] } }
ota: {}
`);
    const { locate, ...data } = config;
    expect(data).toEqual({
      file: join(root, 'imgbuild.yaml'),
      root,
      name: 'ccai',
      store: { kind: 'registry', registry: 'ghcr.io', path: 'acme/ccai' },
      platforms: [
        { os: 'linux', architecture: 'amd64' },
        { os: 'linux', architecture: 'arm64' },
      ],
      args: { OPENVINO: 'y' },
      layers: [
        {
          name: 'base',
          context: 'docker/base',
          dockerfile: 'docker/base/Dockerfile',
          image: { text: 'service_runtime_base:ubuntu_20.04', path: 'service_runtime_base', tag: 'ubuntu_20.04' },
          args: {},
          copy: [],
          git: false,
          needs: [],
          platforms: [{ os: 'linux', architecture: 'arm', variant: 'v7' }],
          labels: {},
          secrets: [],
          aliases: [],
          skip: [],
          packagesAt: [],
          ssh: [],
        },
        {
          name: 'service',
          context: 'docker/service',
          dockerfile: 'docker/engine/Dockerfile',
          target: 'runtime',
          image: { text: 'deep/service_runtime', path: 'deep/service_runtime', tag: 'latest' },
          args: { WORKERS: '4' },
          copy: [{ src: 'docker/base', dst: 'lib/common' }],
          git: true,
          refresh: 'monthly',
          release: true,
          needs: ['base'],
          platforms: [
            { os: 'linux', architecture: 'amd64' },
            { os: 'linux', architecture: 'arm64' },
          ],
          labels: { 'a.b': 'c' },
          secrets: [
            { id: 'pip', from: 'env', name: 'TOKEN' },
            { id: 'ca', from: 'file', path: '/etc/ca.pem' },
          ],
          aliases: [],
          skip: [],
          packagesAt: [],
          ssh: ['default'],
        },
      ],
      bases: new Map([
        [
          'docker.io/library/debian:12',
          {
            kind: 'oci',
            path: join(root, 'bases/debian'),
            reference: 'bookworm',
            text: 'oci:./bases/debian:bookworm',
          },
        ],
      ]),
      debs: [
        {
          name: 'ccai',
          service: 'service',
          description: 'd',
          maintainer: 'm',
          section: 'misc',
          architecture: 'any',
          depends: [],
          recommends: [],
          conflicts: [],
          replaces: [],
          provides: [],
          run: { ports: [], env: {}, volumes: [], options: [] },
          contents: [],
          on: [],
          off: false,
          ignore: [],
          units: [],
          scripts: {},
          suites: [],
          compression: 'auto',
        },
      ],
      models: [{ name: 'ocr', files: ['models/*'], sources: [], targets: ['modelpack'] }],
      ota: { releases: 3, full: false, packages: true },
    });
    expect(locate(['layers', 'service', 'needs', 0])).toMatchObject({ line: 18, column: 13, length: 4 });
  });

  test('without a store is saved in the folder of this checkout, or where the caller says', async () => {
    const text = layers('base: { context: docker/base }');
    expect((await load(text)).store).toEqual({
      kind: 'folder',
      path: join(root, '.imgbuild/store'),
      text: '.imgbuild/store',
    });
    const defaultStore = { kind: 'registry', registry: 'ghcr.io', path: 'acme/ccai' } as const;
    expect((await loadConfig(join(root, 'imgbuild.yaml'), { defaultStore })).store).toEqual(defaultStore);
  });

  test('may have packages alone', async () => {
    const deb = 'debs: { tool: { description: a tool, maintainer: Us <us@example.com> } }';
    const config = await load(`version: 1\nname: tools\n${deb}\n`);
    expect(config.layers).toEqual([]);
    expect(config.debs.map(({ name }) => name)).toEqual(['tool']);
  });

  test('keeps the order of its layers', async () => {
    const config = await load(layers(...['z', 'a10', 'm'].map((name) => `${name}: { context: docker/base }`)));
    expect(config.layers.map((layer) => layer.name)).toEqual(['z', 'a10', 'm']);
  });
});

describe('findConfig', () => {
  test('looks in the folder and those above', async () => {
    await load(layers('base: { context: docker/base }'));
    expect(await findConfig(join(root, 'docker/base'))).toBe(join(root, 'imgbuild.yaml'));
  });

  test('tells how to begin where there is none', async () => {
    const error = await findConfig(root).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Failure);
    expect((error as Failure).fix).toContain('imgbuild init');
  });

  test('names a file with the other ending', async () => {
    await writeFile(join(root, 'imgbuild.yml'), '');
    await expect(findConfig(root)).rejects.toMatchObject({ fix: 'rename it to imgbuild.yaml' });
  });
});
