import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runChecked } from '../../../src/process/run.ts';

export interface DebToMake {
  name: string;
  version: string;
  architecture?: string;
  /** Fields besides those that every package has. */
  fields?: string;
  files?: Record<string, string | Buffer>;
  compression?: 'gzip' | 'xz' | 'zstd' | 'none';
}

/** Packs with dpkg-deb, which is not what we read with. Returns the file's path in `folder`. */
export async function makeDeb(folder: string, deb: DebToMake): Promise<string> {
  const tree = mkdtempSync(join(tmpdir(), 'imgbuild-deb-tree-'));
  const write = (path: string, text: string | Buffer) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  };
  const architecture = deb.architecture ?? 'all';
  const control =
    `Package: ${deb.name}\nVersion: ${deb.version}\nArchitecture: ${architecture}\n` +
    `Maintainer: Example Team <team@example.com>\n${deb.fields ?? ''}Description: example ${deb.name}\n of files\n`;
  write('DEBIAN/control', control);
  for (const [path, text] of Object.entries(deb.files ?? { [`usr/share/${deb.name}/version`]: `${deb.version}\n` }))
    write(path, text);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${deb.name}_${deb.version.replace(/^\d+:/, '')}_${architecture}.deb`);
  await runChecked('dpkg-deb', [
    '--root-owner-group',
    `-Z${deb.compression ?? 'gzip'}`,
    '--uniform-compression',
    '-b',
    tree,
    file,
  ]);
  rmSync(tree, { recursive: true });
  return file;
}
