import { basename } from 'node:path';
import type { Config, Deb } from '../config/config.ts';
import { Failure } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import { isRegistryHost } from '../oci/reference.ts';
import { debianArchitecture } from './architecture.ts';
import type { PackageLayout } from './archive.ts';
import type { Collected } from './contents.ts';
import { formatControl, installedSize } from './control.ts';
import { documents } from './documents.ts';
import { addGhostSnippet, addOwnerSnippet } from './device-files.ts';
import type { Draft } from './draft.ts';
import { conffiles, withParents, type PackageEntry } from './entry.ts';
import { assembleScripts, noSnippets, type Snippets } from './maintainer-scripts.ts';
import { pathMatcher } from './path-matcher.ts';
import { chooseCompression } from './sample.ts';
import { serviceFiles } from './service/files.ts';
import { addServiceSnippets } from './service/scripts.ts';
import type { Service } from './service/service.ts';
import { debTrouble } from './trouble.ts';
import { addSysusersSnippet, addTmpfilesSnippet, addUnitSnippets } from './units.ts';
import { debianVersion } from './version.ts';

/** An image of a release, as a service package names it. */
export interface ServiceImage {
  /** Name of the layer. */
  layer: string;
  platform: Platform;
  /** Digest of the image's config. */
  config: Digest;
  /** NAME:TAG under which it is pulled or loaded: `ghcr.io/acme/ccai/service_runtime:1.2.0`. */
  reference: string;
}

/** A package that is to be written: a Deb for one architecture. */
export interface PlannedDeb extends PackageLayout {
  name: string;
  /** The declared package: another name where it is a part of that. */
  of: string;
  version: string;
  architecture: string;
  /** `ccai_1.2.0_amd64.deb` */
  fileName: string;
  /** Bytes of all its files. */
  size: number;
  warnings: string[];
  /** Paths that the device makes, without a slash in front. */
  ghosts: string[];
}

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
  const { of: deb, fields, version } = draft;
  const contents = withModes(draft, collected.entries);
  const planned: PlannedDeb[] = [];
  for (const { architecture, image } of targetsOf(config, draft, options.images)) {
    const service = image && serviceOf(config, deb, image, options.version);
    const served = service === undefined ? [] : serviceFiles(service, fields.synopsis);
    const made = [...served, ...draft.made];
    requireApart(draft, collected, made);
    const own = [...made, ...contents];
    const compression =
      deb.compression !== 'auto' ? deb.compression : options.chooseCompression ? await chooseCompression(own) : 'gzip';
    const documented = {
      name: draft.name,
      product: config.name,
      version,
      maintainer: fields.maintainer,
      license: deb.license,
      mtime: options.mtime,
      compression,
    };
    const all = withParents([...own, ...documents(documented, own)]);
    const sizes = all.map((entry) => ({ type: entry.type, size: entry.type === 'file' ? entry.size : 0 }));
    const control = {
      ...fields,
      package: draft.name,
      version,
      architecture,
      installedSize: installedSize(sizes),
    };
    const kept = new Set([...draft.conffiles, ...collected.configs.map((path) => `/${path}`), ...conffiles(all)]);
    planned.push({
      name: draft.name,
      of: draft.name,
      version,
      architecture,
      fileName: fileNameOf(draft.name, version, architecture),
      size: sizes.reduce((sum, { size }) => sum + size, 0),
      warnings: collected.warnings,
      control: formatControl(control),
      conffiles: [...kept].toSorted(),
      scripts: assembleScripts(draft.scripts, snippetsOf(draft, collected, all, service)),
      ...(draft.triggers === undefined ? {} : { triggers: draft.triggers }),
      entries: all,
      compression,
      ghosts: collected.ghosts,
    });
  }
  return planned;
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
