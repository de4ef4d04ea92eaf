import { readFile } from 'node:fs/promises';
import { basename, posix } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Config, Deb } from '../config/config.ts';
import { nearestFile } from '../files/nearest.ts';
import { missingOrThrow } from '../files/unreadable.ts';
import type { Draft } from './draft.ts';
import { textFile, type PackageEntry } from './entry.ts';
import { declaredFields } from './fields.ts';
import { scriptNames, type OwnScripts } from './maintainer-scripts.ts';
import { declaredPlacements } from './placement.ts';
import { isDebianVersion } from './relation.ts';
import { noRelease } from './source-date.ts';
import { debTrouble, keepFailures, throwAll } from './trouble.ts';
import { hasInstallSection, isManagedUnit, type PackagedUnit } from './units.ts';
import { expandDeb, type Variables } from './variables.ts';

export interface DraftOptions {
  /** The release's version as Debian writes it. */
  version: string;
  variables: Variables;
}

/** A package that imgbuild.yaml declares itself. Throws all that is wrong with it. */
export async function declaredDraft(config: Config, written: Deb, options: DraftOptions): Promise<Draft> {
  const version = versionOf(config, written, options);
  const { version: _, ...rest } = written;
  const variables: Variables = (name) => (name === 'version' ? version : options.variables(name));
  const deb = expandDeb(config, rest, variables, ['version']);
  const { fields, failures } = declaredFields(config, deb);

  const made: PackageEntry[] = [];
  const units: PackagedUnit[] = [];
  const scripts: OwnScripts = {};
  const read = (path: string, ...at: (string | number)[]) =>
    keepFailures(failures, () => readNamed(config, deb.name, path, at));
  const doc = `usr/share/doc/${deb.name}`;

  for (const [index, unit] of deb.units.entries()) {
    const text = await read(unit.src, 'units', index, 'src');
    if (text === undefined) continue;
    const name = basename(unit.src);
    const place = `usr/lib/systemd/system/${name}`;
    if (!/^[\w:.\\@-]+\.(?:mount|path|service|socket|target|timer)$/.test(name)) {
      const because = `${unit.src} is not named as a systemd unit is`;
      failures.push(debTrouble(config, deb.name, ['units', index, 'src'], because, 'name it as in ccai.service'));
      continue;
    }
    made.push(textFile(place, text));
    const { enable, start, upgrade } = unit;
    if (isManagedUnit(name)) {
      units.push({ name, enable, start, upgrade, installable: hasInstallSection(text.toString()) });
    }
  }
  const sysusers = deb.sysusers === undefined ? undefined : await read(deb.sysusers, 'sysusers');
  if (sysusers !== undefined) made.push(textFile(`usr/lib/sysusers.d/${deb.name}.conf`, sysusers));
  const tmpfiles = deb.tmpfiles === undefined ? undefined : await read(deb.tmpfiles, 'tmpfiles');
  if (tmpfiles !== undefined) made.push(textFile(`usr/lib/tmpfiles.d/${deb.name}.conf`, tmpfiles));
  if (deb.changelog !== undefined) {
    const text = await read(deb.changelog, 'changelog');
    const name = version.includes('-') ? 'changelog.Debian.gz' : 'changelog.gz';
    if (text !== undefined) made.push(textFile(`${doc}/${name}`, gzipSync(text, { level: 9 })));
  }
  if (deb.copyright !== undefined) {
    const text = await read(deb.copyright, 'copyright');
    if (text !== undefined) made.push(textFile(`${doc}/copyright`, text));
  }
  for (const name of scriptNames) {
    const path = deb.scripts[name];
    const text = path === undefined ? undefined : await read(path, 'scripts', name);
    if (text === undefined) continue;
    const trouble = (because: string, fix: string) => debTrouble(config, deb.name, ['scripts', name], because, fix);
    scripts[name] = { text: text.toString(), trouble };
  }
  if (sysusers !== undefined && !fields.depends.some((entry) => /sysusers|^systemd\b/.test(entry))) {
    fields.depends.push(sysusersPackages);
  }
  throwAll(failures);
  return {
    name: deb.name,
    of: deb,
    off: deb.off === true ? 'configuration' : undefined,
    version,
    versionOfNoRelease: versionOf(config, written, { ...options, version: noRelease }),
    architectures: deb.architecture === 'any' ? 'any' : [deb.architecture],
    fields,
    placements: declaredPlacements(config, deb),
    made,
    modes: [],
    scripts,
    units,
    triggers: undefined,
    sysusers: sysusers === undefined ? [] : [`${deb.name}.conf`],
    tmpfiles: tmpfiles === undefined ? [] : [`${deb.name}.conf`],
    conffiles: [],
    trouble: (because, fix) => debTrouble(config, deb.name, [], because, fix),
    relationTrouble: (field, index, because, fix) => debTrouble(config, deb.name, [field, index], because, fix),
  };
}

/** What brings systemd-sysusers, as dh_installsysusers asks for it. */
export const sysusersPackages = 'systemd | systemd-standalone-sysusers | systemd-sysusers';

/** `version:` with the release's in place of `${version}`. */
export function versionOf(
  config: Config,
  { name, version }: Deb,
  { version: release, variables }: DraftOptions,
): string {
  if (version === undefined) return release;
  const only = { name, version } as Deb;
  const known: Variables = (variable) => (variable === 'version' ? release : variables(variable));
  const expanded = expandDeb(config, only, known, ['version']).version!;
  if (isDebianVersion(expanded)) return expanded;
  const because = `${JSON.stringify(expanded)} is not a version of Debian's`;
  const fix = 'write [EPOCH:]UPSTREAM[-REVISION], a digit first, as in "1:2.0-3" or "${version}-1"';
  throw debTrouble(config, name, ['version'], because, fix);
}

/** A file that a key names. Throws a Failure with its place. */
async function readNamed(config: Config, deb: string, path: string, at: (string | number)[]): Promise<Buffer> {
  const bytes = await readFile(posix.join(config.root, path)).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') return missingOrThrow(path)(error);
    throw debTrouble(config, deb, at, `${path} is a folder`, 'write the path of a file');
  });
  if (bytes !== undefined) return bytes;
  const near = await nearestFile(config.root, path);
  const fix = near === undefined ? 'make it' : `the nearest is ${near}`;
  throw debTrouble(config, deb, at, `there is no file ${path}`, fix);
}
