import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pack } from './support/pack.ts';
import { deb, parseProject } from './support/project.ts';

const size = 12_000_000_000;

/**
 * Packs a folder with a file of 12 GB that takes no room on the disk, with `split`; compares what dpkg-deb unpacks with
 * it. Throws when something is not as it was.
 */
export async function runHugeFiles(): Promise<Record<string, number>> {
  const root = mkdtempSync(join(tmpdir(), 'imgbuild-huge-'));
  try {
    mkdirSync(join(root, 'm'));
    writeFileSync(join(root, 'm/a.bin'), 'a');
    const file = openSync(join(root, 'm/huge.bin'), 'w');
    ftruncateSync(file, size);
    writeSync(file, 'end', size - 3);
    closeSync(file);
    const models = deb({ split: '4GB', contents: [{ src: 'm', dst: '/opt/m' }] });
    const packed = await pack(parseProject(root, { models }), { directory: join(root, 'out') });
    if (packed.length !== 2) throw new Error(`${packed.length} parts instead of 2`);
    const compare = 'dpkg-deb --fsys-tarfile "$1" | tar -xO ./opt/m/huge.bin | cmp - "$2"';
    execFileSync('sh', ['-c', compare, 'sh', packed[1]!.file, join(root, 'm/huge.bin')]);
    return {
      'files packed and unpacked': 1,
      'bytes of the package': packed[1]!.size,
      'peak MiB': Math.round(process.resourceUsage().maxRSS / 1024),
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
