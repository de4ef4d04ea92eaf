import { createHash } from 'node:crypto';
import type { ArtifactInput } from '../artifact/input.ts';
import type { PackageLayout } from './archive.ts';
import { xzOptions, type Compression } from './compression.ts';
import { compressionUsed, type Compressors } from './compressors.ts';
import type { FileOnDisk, PackageEntry } from './entry.ts';
import type { PlannedDeb } from './planned-deb.ts';

export const debArtifact = 'application/vnd.debian.binary-package';

/** Changes where the same inputs would make other packages. */
const packing = '2';

/** The sha256 (64 hex digits) of a file on disk. */
export type SumOf = (file: FileOnDisk) => Promise<string>;

/**
 * All that decides what is in a package: files by content, metadata, the image that it starts, and what writes it.
 * `parts`: the packages that one declared package comes to for one architecture, `deb` among them: they depend on each
 * other in the exact version, so that the inputs of one are those of all.
 */
export async function packageInputs(
  deb: PlannedDeb,
  parts: readonly PlannedDeb[],
  sumOf: SumOf,
  compressors: Compressors,
): Promise<ArtifactInput[]> {
  const inputs: ArtifactInput[] = [
    { kind: 'artifact', type: debArtifact },
    { kind: 'tool', name: 'imgbuild debs', version: packing },
    // The changelog's, whatever the data are compressed with.
    { kind: 'tool', name: 'zlib', version: process.versions.zlib },
  ];
  if (parts.length > 1) inputs.push(partInput(deb.name));
  if (deb.image !== undefined) inputs.push({ kind: 'parent', name: deb.image.layer, digest: deb.image.config });
  for (const part of parts) {
    const prefix = parts.length > 1 ? `${part.name}: ` : '';
    // By files that are not here nobody can choose; their sums decide what is chosen.
    const compression = part.later === undefined ? part.compression : undecided(part.later);
    inputs.push({ kind: 'field', name: `${prefix}compression`, value: compression });
    const tool = compressorOf(compressionUsed(part), compressors);
    if (tool !== undefined) inputs.push(tool);
    if (part.later !== undefined) inputs.push(...part.later.inputs);
    const unversioned = await part.unversioned!();
    for (const [name, value] of metadataOf(unversioned)) {
      inputs.push({ kind: 'field', name: prefix + name, value });
    }
    const { entries } = unversioned;
    for (const [index, entry] of entries.entries()) {
      // In their order a folder comes directly before what it holds.
      const holds = entries[index + 1]?.path.startsWith(`${entry.path}/`) ?? false;
      const input = await inputOfEntry(entry, holds, sumOf);
      if (input !== undefined) inputs.push(input);
    }
  }
  return inputs;
}

/** Tells the parts of one package apart, which else have the same inputs. */
export function partInput(name: string): ArtifactInput {
  return { kind: 'field', name: 'part', value: name };
}

function undecided({ compression }: NonNullable<PlannedDeb['later']>): string {
  return compression === 'xz' ? 'auto without zstd' : 'auto';
}

function compressorOf(compression: Compression, { xz, zstd }: Compressors): ArtifactInput | undefined {
  if (compression === 'xz') return { kind: 'tool', name: 'xz', version: `${xz ?? 'unknown'}, ${xzOptions}` };
  if (compression === 'zstd' || compression === 'strong-zstd') {
    return { kind: 'tool', name: 'zstd', version: zstd.version };
  }
  return undefined;
}

/** The control file's fields by their names in lower case, and what else control.tar holds. */
function* metadataOf({ control, conffiles, triggers, scripts }: PackageLayout): Generator<[string, string]> {
  for (const [, name, value] of control.matchAll(/^([A-Za-z-]+): (.*(?:\n .*)*)$/gm)) {
    // It follows from the files.
    if (name !== 'Installed-Size') yield [name!.toLowerCase(), value!];
  }
  if (conffiles.length > 0) yield ['conffiles', conffiles.join(' ')];
  if (triggers !== undefined) yield ['triggers', triggers];
  yield* Object.entries(scripts);
}

async function inputOfEntry(entry: PackageEntry, holds: boolean, sumOf: SumOf): Promise<ArtifactInput | undefined> {
  const to = `/${entry.path}`;
  if (entry.type === 'symlink') return { kind: 'field', name: to, value: `link to ${entry.target}` };
  const owner = entry.owner === undefined ? '' : ` ${entry.owner.user}:${entry.owner.group}`;
  const mode = entry.mode.toString(8).padStart(4, '0') + owner;
  if (entry.type === 'directory') {
    // Any other folder is there because of what is in it.
    return mode === '0755' && holds ? undefined : { kind: 'field', name: to, value: `folder ${mode}` };
  }
  const { source } = entry;
  if (source.from === 'disk') {
    return { kind: 'file', path: source.name, to, mode, sha256: await sumOf(source) };
  }
  const sha256 = createHash('sha256').update(source.bytes).digest('hex');
  return { kind: 'file', path: to, to, mode, sha256 };
}
