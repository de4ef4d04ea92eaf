import { basename } from 'node:path';
import type { ArtifactInput } from '../artifact/input.ts';
import type { Config, Deb } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { platformName } from '../oci/platform.ts';
import { isRegistryHost } from '../oci/reference.ts';
import { debianArchitecture } from './architecture.ts';
import { arMaxSize } from './ar.ts';
import { dataSize, splitAdvice } from './archive.ts';
import type { Collected } from './contents.ts';
import { formatControl, installedSize } from './control.ts';
import { documents } from './documents.ts';
import { addGhostSnippet, addOwnerSnippet, ownersNobodyMakes } from './device-files.ts';
import type { Draft } from './draft.ts';
import { conffiles, withParents, type PackageEntry } from './entry.ts';
import { assembleScripts, noSnippets, type Snippets } from './maintainer-scripts.ts';
import { partFields } from './part-fields.ts';
import { pathMatcher } from './path-matcher.ts';
import type { PlannedDeb, ServiceImage } from './planned-deb.ts';
import { chooseCompression } from './sample.ts';
import { serviceFiles } from './service/files.ts';
import { addServiceSnippets } from './service/scripts.ts';
import type { Service } from './service/service.ts';
import { partName, splitContents } from './split.ts';
import { knowsZstd } from '../config/suite.ts';
import { debTrouble } from './trouble.ts';
import { sysusersPackages } from './declared-draft.ts';
import { addSysusersSnippet, addTmpfilesSnippet, addUnitSnippets } from './units.ts';
import { debianVersion } from './version.ts';

export interface LayoutOptions {
  /** The release, with or without `v`. */
  version: string;
  images: readonly ServiceImage[];
  /** Seconds: of the changelog. */
  mtime: number;
  chooseCompression: boolean;
}

/**
 * Lays out a package for every architecture that it has: one, or for a service those of its images. Where
 * `chooseCompression` is false, `auto` is left undecided (gzip stands for it), and no file is opened.
 */
export async function layOut(
  config: Config,
  draft: Draft,
  collected: Collected,
  options: LayoutOptions,
): Promise<PlannedDeb[]> {
  const { of: deb } = draft;
  const contents = withModes(draft, collected.entries);
  const shares = deb.split === undefined ? [contents] : splitContents(contents, deb.split);
  const names = shares.map((_, index) => partName(draft.name, index));
  const planned: PlannedDeb[] = [];
  for (const { architecture, image } of targetsOf(config, draft, options.images)) {
    const service = image && serviceOf(config, deb, image, options.version);
    const made = [...(service === undefined ? [] : serviceFiles(service, draft.fields.synopsis)), ...draft.made];
    requireApart(draft, collected, made);
    for (const [index, share] of shares.entries()) {
      const isFirst = index === 0;
      const part: Part = { names, index, architecture, own: isFirst ? [...made, ...share] : share };
      const laidOut = await layOutPart(config, draft, collected, part, options);
      if (isFirst && !mayHaveUsers(draft))
        laidOut.warnings.push(...ownersNobodyMakes(draft.name, [...made, ...contents]));
      // Owners are given by the first, which is configured when the others are unpacked.
      const snippets = isFirst ? snippetsOf(draft, collected, [...made, ...contents], service) : noSnippets();
      const scripts = assembleScripts(isFirst ? draft.scripts : {}, snippets);
      const later = laterOf(config, draft, collected, options);
      planned.push({
        ...laidOut,
        scripts,
        ...(image === undefined ? {} : { image }),
        ...(later === undefined ? {} : { later }),
      });
    }
  }
  return planned;
}

/** Whether users may come from elsewhere: of a package that it needs, or by its own scripts. */
function mayHaveUsers({ fields, scripts }: Draft): boolean {
  const others = fields.depends.filter((entry) => entry !== sysusersPackages);
  return others.length > 0 || scripts.preinst !== undefined || scripts.postinst !== undefined;
}

function laterOf(config: Config, draft: Draft, collected: Collected, options: LayoutOptions): PlannedDeb['later'] {
  const { later, ...rest } = draft;
  if (later === undefined) return undefined;
  const { folder, known, trouble } = { ...later, ...draft };
  const { split, suites } = draft.of;
  const complete = async (signal?: AbortSignal): Promise<PlannedDeb[]> => {
    const entries = [...collected.entries, ...(await later.entries(signal))];
    return layOut(config, rest, { ...collected, entries }, { ...options, chooseCompression: true });
  };
  const compression = knowsZstd(suites) ? 'strong-zstd' : 'xz';
  const inputs: ArtifactInput[] = [...later.inputs];
  if (split !== undefined) inputs.push({ kind: 'field', name: 'split', value: String(split) });
  return { folder, inputs, known, compression, complete, trouble };
}

/** One of the packages that a declared one comes to: the only one, unless `split` says otherwise. */
interface Part {
  /** Of all of them. */
  names: readonly string[];
  index: number;
  architecture: string;
  own: readonly PackageEntry[];
}

async function layOutPart(
  config: Config,
  draft: Draft,
  collected: Collected,
  { names, index, architecture, own }: Part,
  options: LayoutOptions,
): Promise<Omit<PlannedDeb, 'scripts'>> {
  const { of: deb, version } = draft;
  const name = names[index]!;
  const isFirst = index === 0;
  const fields = partFields(draft, names, index);
  const compression =
    deb.compression !== 'auto'
      ? deb.compression
      : options.chooseCompression
        ? await chooseCompression(own, knowsZstd(deb.suites))
        : 'gzip';
  const documented = {
    name,
    product: config.name,
    version,
    maintainer: fields.maintainer,
    license: deb.license,
    mtime: options.mtime,
    compression,
  };
  const all = withParents([...own, ...documents(documented, own)]);
  const sizes = all.map((entry) => ({ type: entry.type, size: entry.type === 'file' ? entry.size : 0 }));
  const control = { ...fields, package: name, version, architecture, installedSize: installedSize(sizes) };
  const paths = new Set(all.map(({ path }) => path));
  const configs = collected.configs.filter((path) => paths.has(path)).map((path) => `/${path}`);
  const kept = new Set([...(isFirst ? draft.conffiles : []), ...configs, ...conffiles(all)]);
  if ((compression === 'none' || compression === 'stored') && dataSize(all) > arMaxSize) {
    const because = `the data of ${name} take ${dataSize(all)} bytes, and the format ends at ${arMaxSize}`;
    throw draft.trouble(because, splitAdvice);
  }
  const tooLarge = own.find((entry) => entry.type === 'file' && entry.size > (deb.split ?? Infinity));
  return {
    name,
    of: draft.name,
    version,
    architecture,
    fileName: fileNameOf(name, version, architecture),
    size: sizes.reduce((sum, { size }) => sum + size, 0),
    warnings: [
      ...(isFirst ? collected.warnings : []),
      ...(tooLarge === undefined ? [] : [`${name}: /${tooLarge.path} alone is larger than split:`]),
    ],
    control: formatControl(control),
    conffiles: [...kept].toSorted(),
    ...(draft.triggers === undefined || !isFirst ? {} : { triggers: draft.triggers }),
    entries: all,
    compression,
    ghosts: isFirst ? collected.ghosts : [],
  };
}

/** `ccai_1.2.0_amd64.deb`: without the epoch, as dpkg-deb names packages. */
export function fileNameOf(name: string, version: string, architecture: string): string {
  return `${name}_${version.replace(/^[0-9]+:/, '')}_${architecture}.deb`;
}

function snippetsOf(
  draft: Draft,
  collected: Collected,
  entries: readonly PackageEntry[],
  service: Service | undefined,
): Snippets {
  const snippets = noSnippets();
  addSysusersSnippet(draft.sysusers, snippets);
  addOwnerSnippet(entries, snippets);
  addTmpfilesSnippet(draft.tmpfiles, snippets);
  if (service !== undefined) addServiceSnippets(service, snippets);
  addUnitSnippets(draft.units, snippets);
  addGhostSnippet(collected.ghosts, snippets);
  return snippets;
}

/** What debian/rules changes with chmod. */
function withModes(draft: Draft, entries: readonly PackageEntry[]): PackageEntry[] {
  if (draft.modes.length === 0) return [...entries];
  const rules = draft.modes.map((rule) => ({ ...rule, matches: pathMatcher(rule.pattern, rule.below), used: false }));
  const changed = entries.map((entry) => {
    if (entry.type === 'symlink') return entry;
    const rule = rules.findLast(({ matches }) => matches(entry.path));
    for (const each of rules) each.used ||= each.matches(entry.path);
    return rule === undefined ? entry : { ...entry, mode: rule.mode };
  });
  const unused = rules.find(({ used }) => !used);
  if (unused !== undefined) throw unused.trouble(`no path of ${draft.name} matches ${unused.pattern}`, 'remove it');
  return changed;
}

/** Throws a Failure when a service package is asked for whose image the release has not. */
function targetsOf(
  config: Config,
  { of: deb, architectures }: Draft,
  images: readonly ServiceImage[],
): { architecture: string; image?: ServiceImage }[] {
  if (deb.service === undefined)
    return (architectures === 'any' ? [] : architectures).map((architecture) => ({ architecture }));
  const targets = images
    .filter(({ layer }) => layer === deb.service)
    .map((image) => {
      const architecture = debianArchitecture(image.platform);
      if (architecture !== undefined) return { architecture, image };
      const because = `Debian has no architecture for ${platformName(image.platform)}, a platform of ${deb.service}`;
      throw debTrouble(config, deb.name, ['service'], because, 'name the platforms of that layer in `platforms:`');
    })
    .filter(({ architecture }) => deb.architecture === 'any' || deb.architecture === architecture);
  if (targets.length > 0) return targets;
  const which = deb.architecture === 'any' ? '' : ` for ${deb.architecture}`;
  throw new Failure({
    doing: `packing ${deb.name}`,
    because: `there is no image of the layer ${deb.service}${which} to name in it`,
    fix: `build it first: imgbuild build ${deb.service}`,
  });
}

function serviceOf(config: Config, deb: Deb, image: ServiceImage, version: string): Service {
  const layer = config.layers.find(({ name }) => name === image.layer);
  if (layer === undefined) throw new RangeError(`${basename(config.file)} has no layer ${image.layer}`);
  return {
    name: deb.run.name ?? config.name,
    package: deb.name,
    product: config.name,
    release: version.replace(/^v/, ''),
    debianVersion: debianVersion(version),
    image: layer.image.path,
    config: image.config,
    reference: image.reference,
    pullable: isRegistryHost(image.reference.split('/')[0]!) && image.reference.includes('/'),
    platform: platformName(image.platform),
    run: deb.run,
  };
}

function requireApart(draft: Draft, { entries, ghosts }: Collected, made: readonly PackageEntry[]): void {
  const reserved = new Set(made.map(({ path }) => path));
  const taken = entries.find(({ path }) => reserved.has(path))?.path ?? ghosts.find((path) => reserved.has(path));
  if (taken === undefined) return;
  const what = draft.made.some(({ path }) => path === taken) ? 'of another key' : 'for a service';
  throw draft.trouble(`/${taken} is a file that imgbuild makes ${what}`, 'give yours another dst');
}
