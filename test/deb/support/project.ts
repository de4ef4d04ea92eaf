import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { checkConfig } from '../../../src/config/check.ts';
import type { Config } from '../../../src/config/config.ts';
import { Failures } from '../../../src/failure.ts';
import type { ServiceImage } from '../../../src/deb/pack-debs.ts';

export const configDigest = `sha256:${'ab'.repeat(32)}` as const;

export const serviceImages: ServiceImage[] = [
  {
    layer: 'service',
    platform: { os: 'linux', architecture: 'amd64' },
    config: configDigest,
    reference: 'ghcr.io/acme/ccai/service_runtime:1.2.0',
  },
];

const maintainer = 'Example Team <team@example.com>';

/** A deb with what every deb needs. */
export const deb = (rest: object) => ({ description: 'example files', maintainer, ...rest });

/** A repository with one layer, files, and the given `debs:`. */
export function makeProject(debs: object, files: Record<string, string | Buffer> = {}, more: object = {}): Config {
  const root = mkdtempSync(join(tmpdir(), 'imgbuild-debs-'));
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return parseProject(root, debs, more);
}

export function parseProject(root: string, debs: object, more: object = {}): Config {
  const text = stringify({
    version: 1,
    name: 'ccai',
    layers: { service: { context: 'docker/service', image: 'service_runtime' } },
    debs,
    ...more,
  });
  writeFileSync(join(root, 'imgbuild.yaml'), text);
  const { config, failures } = checkConfig(text, join(root, 'imgbuild.yaml'));
  if (config === undefined || failures.length > 0) throw new Failures(failures);
  return config;
}
