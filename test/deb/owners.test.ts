import { expect, test } from 'vitest';
import { planDebs } from '../../src/deb/pack-debs.ts';
import { deb, makeProject, parseProject } from './support/project.ts';

test.each([
  ['a file', { src: 'data/x' }],
  ['a link', { type: 'symlink', src: 'elsewhere' }],
])('%s of one package that is a folder in another is refused, with the path', async (_, content) => {
  const config = makeProject(
    {
      aa: deb({ contents: [{ ...content, dst: '/opt/x' }] }),
      bb: deb({ contents: [{ src: 'data/y', dst: '/opt/x/y' }] }),
    },
    { 'data/x': 'x', 'data/y': 'y' },
  );
  await expect(planDebs({ config, version: '1.0.0', images: [] })).rejects.toMatchObject({
    because: expect.stringContaining('/opt/x is a folder here, and in aa it is none'),
  });
});

test('two packages that own one path are refused, with the path', async () => {
  const config = makeProject(
    {
      'ccai-a': deb({ contents: [{ src: 'a', dst: '/opt/x' }] }),
      'ccai-b': deb({ contents: [{ src: 'a/f', dst: '/opt/x/' }] }),
      'ccai-c': deb({ architecture: 'arm64', contents: [{ src: 'a', dst: '/opt/y' }] }),
      'ccai-d': deb({ architecture: 'amd64', contents: [{ src: 'a', dst: '/opt/y' }] }),
    },
    { 'a/f': '1' },
  );
  await expect(planDebs({ config, version: '1.0.0', images: [] })).rejects.toMatchObject({
    because: 'package ccai-b: /opt/x/f is also in ccai-a, and dpkg gives a path to one package alone',
  });
  const twice = parseProject(config.root, {
    'ccai-s': deb({ service: 'service' }),
    'ccai-t': deb({ service: 'service' }),
  });
  const image = {
    layer: 'service',
    platform: { os: 'linux', architecture: 'amd64' },
    config: `sha256:${'1'.repeat(64)}`,
  } as const;
  const images = [{ ...image, reference: 'service_runtime:1.0.0' }];
  await expect(planDebs({ config: twice, version: '1.0.0', images })).rejects.toMatchObject({
    fix: 'give one of the two a name of its own: run: { name: … }',
  });
});
