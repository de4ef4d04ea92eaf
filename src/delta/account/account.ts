import { adviceInLayer, type Advice } from '../advice.ts';
import type { DeltaFormat } from '../bundle/format.ts';
import type { FileChange } from '../inspected.ts';
import type { AccountedEntry, EntryChange } from '../layer-delta/account.ts';
import type { PackageName } from '../packages/owners.ts';
import { addTotal, addTotals, sumOf, wholeBytes, type Totals } from './totals.ts';

/** A file of a filesystem layer that is carried: `layer` is its number in the target, from 0. */
export interface AccountedFile extends AccountedEntry {
  layer: number;
  package: PackageName | undefined;
}

export interface AccountedPackage extends PackageName {
  totals: Totals;
}

/** What is carried of the packages of an image. */
export interface AccountedPackages {
  /** The most costly first. */
  listed: AccountedPackage[];
  /** Packages that there was no room for. */
  others: { count: number; totals: Totals };
  /** Entries that belong to no package. */
  none: Totals;
}

export interface AccountedLayer {
  layer: number;
  /** What its bytes are above these is headers of the coding, and the end of the tar. */
  totals: Totals;
  advice: Advice[];
}

/**
 * What every byte of the filesystem layers that are carried for one image is spent on. Totals are of all entries, whether
 * they are among `files` or not.
 */
export interface Account {
  layers: AccountedLayer[];
  /** Undefined where it is not known what packages consist of. */
  packages: AccountedPackages | undefined;
  /** The most costly first. */
  files: AccountedFile[];
}

/** A filesystem layer that is carried, with all of its entries. */
export interface CarriedEntries {
  /** Its number in the target, from 0. */
  layer: number;
  diffId: string;
  kind: 'delta' | 'whole';
  format?: DeltaFormat;
  /** In the bundle. */
  bytes: number;
  entries: readonly AccountedEntry[];
}

/** As many words of advice as anybody follows. */
const adviceLimit = 20;

/** `ownerOf` is undefined where packages are not known. Memory: of all entries. */
export function accountFor(
  carried: readonly CarriedEntries[],
  ownerOf: ((path: string) => PackageName | undefined) | undefined,
): Account {
  const layers: AccountedLayer[] = [];
  const files: AccountedFile[] = [];
  for (const { layer, entries, ...rest } of carried) {
    const bytes = wholeBytes(entries.map((entry) => entry.bytes));
    const totals: Totals = {};
    // There may be hundreds of thousands: one object says all that is known of each.
    const own = entries.map((entry, at): AccountedFile & { change: FileChange } => {
      const { path, kind } = entry;
      return { ...entry, bytes: bytes[at]!, layer, package: ownerOf?.(path), change: changeOf(kind) };
    });
    for (const file of own) {
      addTotal(totals, file.kind, { count: 1, size: file.size, bytes: file.bytes });
      files.push(file);
    }
    layers.push({ layer, totals, advice: adviceInLayer({ ...rest, files: own }).slice(0, adviceLimit) });
  }
  files.sort((a, b) => b.bytes - a.bytes || b.size - a.size || a.layer - b.layer || (a.path < b.path ? -1 : 1));
  return { layers, packages: ownerOf && packagesOf(files), files };
}

/** The same in the words of reports. */
export function changeOf(kind: EntryChange): FileChange {
  return kind === 'same' ? 'unchanged' : kind;
}

function packagesOf(files: readonly AccountedFile[]): AccountedPackages {
  const none: Totals = {};
  const known = new Map<PackageName, AccountedPackage>();
  for (const { package: owner, kind, size, bytes } of files) {
    let totals = none;
    if (owner !== undefined) {
      let found = known.get(owner);
      if (found === undefined) known.set(owner, (found = { ...owner, totals: {} }));
      totals = found.totals;
    }
    addTotal(totals, kind, { count: 1, size, bytes });
  }
  const cost = ({ totals }: AccountedPackage) => sumOf(totals).bytes;
  const listed = [...known.values()].toSorted((a, b) => cost(b) - cost(a) || (a.name < b.name ? -1 : 1));
  return { listed, others: { count: 0, totals: {} }, none };
}

/** The same account with fewer packages and files in it: the least costly packages are one sum. */
export function cut(account: Account, packages: number, files: number): Account {
  const { packages: known } = account;
  const listed = known?.listed.slice(0, packages);
  const others = { count: 0, totals: {} as Totals };
  for (const each of known?.listed.slice(packages) ?? []) {
    others.count++;
    addTotals(others.totals, each.totals);
  }
  return {
    layers: account.layers,
    packages: known && { listed: listed!, others, none: known.none },
    files: account.files.slice(0, files),
  };
}
