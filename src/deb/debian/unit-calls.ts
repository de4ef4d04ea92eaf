import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { collectContents } from '../contents.ts';
import type { FileEntry, PackageEntry } from '../entry.ts';
import type { Placement } from '../placement.ts';
import { keepFailures } from '../trouble.ts';
import { hasInstallSection, isManagedUnit, type PackagedUnit } from '../units.ts';
import type { UnitCall } from './rules.ts';

const places = ['usr/lib/systemd/system/', 'lib/systemd/system/', 'etc/systemd/system/'];

/** The units that dh_installsystemd would start: those of debian/, and those among the contents. */
export async function managedUnits(
  root: string,
  name: string,
  made: readonly PackageEntry[],
  placements: readonly Placement[],
  calls: readonly UnitCall[],
): Promise<PackagedUnit[]> {
  // Only what may hold units is looked at; what is wrong with the contents is said elsewhere.
  const likely = placements.filter(({ dst }) =>
    places.some((place) => `${dst.slice(1)}/`.startsWith(place) || place.startsWith(`${dst.slice(1)}/`)),
  );
  const collected = likely.length === 0 ? undefined : await keepFailures([], () => collectContents(root, name, likely));
  const files = [...made, ...(collected?.entries ?? [])].filter(
    (entry): entry is FileEntry =>
      entry.type === 'file' &&
      places.some((place) => entry.path === place + basename(entry.path)) &&
      isManagedUnit(basename(entry.path)),
  );
  const units: PackagedUnit[] = [];
  for (const entry of files) {
    const unit = basename(entry.path);
    const call = calls.findLast(
      ({ packages, name: of }) =>
        (packages === undefined || packages.includes(name)) &&
        (of === undefined || unit.replace(/\.[a-z]+$/, '') === of),
    );
    if (call === undefined) continue;
    const text = entry.source.from === 'bytes' ? entry.source.bytes : await readFile(entry.source.path);
    const { enable, start, upgrade } = call;
    units.push({ name: unit, installable: hasInstallSection(text.toString()), enable, start, upgrade });
  }
  return units;
}
