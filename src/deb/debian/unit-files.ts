import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { textFile, type PackageEntry } from '../entry.ts';
import type { PackageFolder } from './package-folder.ts';
import type { UnitCall } from './rules.ts';

/** `debian/PKG.service`, and for `--name=N` `debian/PKG.N.service` or, for the first package, `debian/N.service`. */
export async function unitFiles(parts: PackageFolder, calls: readonly UnitCall[]): Promise<PackageEntry[]> {
  const { config, folder, name, names, isFirst } = parts;
  const entries = new Map<string, PackageEntry>();
  for (const call of calls) {
    if (call.packages !== undefined && !call.packages.includes(name)) continue;
    for (const type of ['service', 'target', 'socket', 'path', 'timer', 'mount']) {
      for (const at of ['', '@']) {
        const unit = `${call.name ?? name}${at}.${type}`;
        const candidates =
          call.name === undefined
            ? [`${name}${at}.${type}`, ...(isFirst && at === '' ? [type] : [])]
            : [`${name}${at}.${call.name}.${type}`, ...(isFirst ? [unit] : [])];
        const found = candidates.find((candidate) => names.includes(candidate));
        if (found === undefined) continue;
        const path = `usr/lib/systemd/system/${unit}`;
        entries.set(path, textFile(path, await readFile(posix.join(config.root, folder, found))));
      }
    }
  }
  return [...entries.values()];
}
