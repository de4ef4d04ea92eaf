import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../../src/config/config.ts';
import { packDebs, type PackDebsOptions, type PackedDeb } from '../../../src/deb/pack-debs.ts';
import { silent } from '../../../src/progress.ts';
import { serviceImages } from './project.ts';

/** Packs into a folder of its own, without progress. */
export function pack(config: Config, options: Partial<PackDebsOptions> = {}): Promise<PackedDeb[]> {
  return packDebs({
    config,
    version: '1.2.0',
    images: serviceImages,
    directory: mkdtempSync(join(tmpdir(), 'imgbuild-packed-')),
    progress: silent,
    ...options,
  });
}

export async function packOne(config: Config, options: Partial<PackDebsOptions> = {}): Promise<PackedDeb> {
  const [packed, ...rest] = await pack(config, options);
  if (packed === undefined || rest.length > 0) throw new RangeError('not one package');
  return packed;
}
