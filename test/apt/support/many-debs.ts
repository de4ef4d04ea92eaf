import { join } from 'node:path';
import { formatControl, installedSize } from '../../../src/deb/control.ts';
import { textFile, withParents } from '../../../src/deb/entry.ts';
import { writePackage } from '../../../src/deb/archive.ts';

/** Writes `count` small packages, `many-0001` and so on, each of one file with `size` bytes that do not shrink. */
export async function makeManyDebs(folder: string, count: number, size = 16): Promise<void> {
  const maintainer = 'Example Team <team@example.com>';
  for (let number = 1; number <= count; number++) {
    const name = `many-${String(number).padStart(4, '0')}`;
    const bytes = Buffer.allocUnsafe(size);
    for (let at = 0, seed = number; at < size; at++) {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      bytes[at] = seed >> 16;
    }
    const entries = withParents([textFile(`usr/share/${name}/data`, bytes)]);
    const control = formatControl({
      package: name,
      version: '1.0',
      architecture: number % 2 === 0 ? 'amd64' : 'all',
      maintainer,
      installedSize: installedSize([{ type: 'file', size }]),
      section: 'misc',
      depends: number % 3 === 0 ? ['libc6 (>= 2.36)'] : [],
      recommends: [],
      conflicts: [],
      replaces: [],
      provides: [],
      synopsis: `package ${number} of many`,
      extended: 'One of many packages,\nso that there are many.',
    });
    const layout = { control, conffiles: [], scripts: {}, entries, compression: 'gzip' as const };
    await writePackage(join(folder, `${name}_1.0.deb`), layout, { mtime: 1_700_000_000 });
  }
}
