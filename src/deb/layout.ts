import { basename } from 'node:path';
import type { Config, Deb } from '../config/config.ts';
import { Failure, Failures } from '../failure.ts';
import type { Digest } from '../oci/digest.ts';
import { platformName, type Platform } from '../oci/platform.ts';
import { isRegistryHost } from '../oci/reference.ts';
import { debianArchitecture } from './architecture.ts';
import type { PackageLayout } from './archive.ts';
import { collectContents } from './contents.ts';
import { formatControl, installedSize } from './control.ts';
import { documents } from './documents.ts';
import { conffiles, withParents, type PackageEntry } from './entry.ts';
import { declaredFields } from './fields.ts';
import { chooseCompression } from './sample.ts';
import { serviceFiles } from './service/files.ts';
import { serviceScripts } from './service/scripts.ts';
import type { Service } from './service/service.ts';
import { debTrouble } from './trouble.ts';
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
  version: string;
  architecture: string;
  /** `ccai_1.2.0_amd64.deb` */
  fileName: string;
  /** Bytes of all its files. */
  size: number;
  warnings: string[];
}

export interface LayoutOptions {
  /** The release, with or without `v`. */
  version: string;
  images: readonly ServiceImage[];
  /** Seconds: of the changelog. */
  mtime: number;
}

/** Lays out a package for every architecture that it has: one, or for a service those of its images. */
export async function layOut(config: Config, deb: Deb, options: LayoutOptions): Promise<PlannedDeb[]> {
  const { fields, failures } = declaredFields(config, deb);
  if (failures.length > 0) throw new Failures(failures);
  const { entries, warnings } = await collectContents(config, deb);
  const version = debianVersion(options.version);
  const planned: PlannedDeb[] = [];
  for (const { architecture, image } of targetsOf(config, deb, options.images)) {
    const service = image && serviceOf(config, deb, image, options.version);
    const made = service === undefined ? [] : serviceFiles(service, fields.synopsis);
    requireApart(config, deb, entries, made);
    const compression = deb.compression === 'auto' ? await chooseCompression([...made, ...entries]) : deb.compression;
    const documented = {
      name: deb.name,
      product: config.name,
      version,
      maintainer: fields.maintainer,
      license: deb.license,
      mtime: options.mtime,
      compression,
    };
    const own = [...made, ...entries];
    const all = withParents([...own, ...documents(documented, own)]);
    const sizes = all.map((entry) => ({ type: entry.type, size: entry.type === 'file' ? entry.size : 0 }));
    const control = formatControl({
      ...fields,
      package: deb.name,
      version,
      architecture,
      installedSize: installedSize(sizes),
    });
    planned.push({
      name: deb.name,
      version,
      architecture,
      fileName: `${deb.name}_${version}_${architecture}.deb`,
      size: sizes.reduce((sum, { size }) => sum + size, 0),
      warnings,
      control,
      conffiles: conffiles(all),
      scripts: service === undefined ? {} : serviceScripts(service),
      entries: all,
      compression,
    });
  }
  return planned;
}

/** Throws a Failure when a service package is asked for whose image the release has not. */
function targetsOf(
  config: Config,
  deb: Deb,
  images: readonly ServiceImage[],
): { architecture: string; image?: ServiceImage }[] {
  if (deb.service === undefined) return [{ architecture: deb.architecture }];
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

function requireApart(
  config: Config,
  deb: Deb,
  contents: readonly PackageEntry[],
  made: readonly PackageEntry[],
): void {
  const reserved = new Set(made.map(({ path }) => path));
  const taken = contents.find(({ path }) => reserved.has(path));
  if (taken === undefined) return;
  const because = `/${taken.path} is a file that imgbuild makes for a service`;
  throw debTrouble(config, deb.name, ['contents'], because, 'give yours another dst');
}
