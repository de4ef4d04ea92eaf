import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SourcePackage } from '../../../src/image-source/image.ts';
import { noise } from '../sample-image.ts';

/** A package in a file, and the tree that it was made of. */
export type MadeDeb = SourcePackage & { file: string; tree: string };

export const long = `usr/lib/app/${'long/'.repeat(24)}name`;

/** Of which little changes from version to version. */
export const filesOf = (version: string) => ({
  'usr/lib/app/big': Buffer.concat([noise(150_000, 'same'), noise(2000, version), noise(50_000, 'too')]),
  'usr/lib/app/same': noise(30_000, 'unchanged'),
  [long]: noise(20_000, 'long'),
});

/** What dpkg-deb makes of files, with a script, a setting and a manual page, as the package `app` below `folder`. */
export function makeDeb(
  folder: string,
  version: string,
  compression: string,
  files: Record<string, Buffer | string>,
): MadeDeb {
  const tree = join(folder, `tree-${version}`);
  const all = {
    'DEBIAN/control': `Package: app\nVersion: ${version}\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: app\n`,
    'DEBIAN/conffiles': '/etc/app.conf\n',
    'DEBIAN/postinst': `#!/bin/sh\nset -e\n# ${'what it does '.repeat(9)}\n`,
    'etc/app.conf': `version = ${version} ${'# settings\n'.repeat(9)}`,
    'usr/share/man/man1/app.1': 'manual '.repeat(99),
    ...files,
  };
  for (const [path, contents] of Object.entries(all)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(tree, path), contents, { mode: path.endsWith('inst') ? 0o755 : 0o644 });
  }
  const file = join(folder, `app_${version}_${compression}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '-b', tree, file]);
  const packed = readFileSync(file);
  const sha256 = createHash('sha256').update(packed).digest('hex');
  const bytes = () => createReadStream(file);
  return { name: 'app', version, architecture: 'all', size: packed.length, sha256, bytes, file, tree };
}
