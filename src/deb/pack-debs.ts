import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config, Deb } from '../config/config.ts';
import { didYouMean } from '../config/did-you-mean.ts';
import { Failure, Failures } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { writePackage } from './archive.ts';
import { layOut, type LayoutOptions, type PlannedDeb, type ServiceImage } from './layout.ts';
import { outputFailure } from './output-file.ts';
import { doubleOwners } from './owners.ts';
import { requireSameOrder } from './version.ts';

export type { ServiceImage } from './layout.ts';

export interface PackedDeb {
  name: string;
  /** Absolute path. */
  file: string;
  /** As dpkg writes it. */
  version: string;
  architecture: string;
  /** Bytes. */
  size: number;
  /** 64 hex digits. */
  sha256: string;
}

/** 2023-11-14T22:13:20Z, in seconds: the time of every file where SOURCE_DATE_EPOCH names no other. */
export const defaultSourceDate = 1_700_000_000;

export interface PlanDebsOptions {
  config: Config;
  /** The release, with or without `v`. */
  version: string;
  /** Images that service packages start. */
  images: readonly ServiceImage[];
  /** Names of packages; all where absent. */
  only?: readonly string[] | undefined;
  /** Releases that devices may have: their order must be the same for dpkg. */
  others?: readonly string[];
  /** Seconds: the time of every file. */
  sourceDate?: number;
}

export interface PackDebsOptions extends PlanDebsOptions {
  /** Where the packages go; made where it is not there. */
  directory: string;
  progress: Progress;
  signal?: AbortSignal;
}

/**
 * Writes the packages of a release: same configuration, files, images and version give the same bytes. Nothing is
 * written before all packages are laid out and checked; a package is under its name whole or not at all.
 */
export async function packDebs(options: PackDebsOptions): Promise<PackedDeb[]> {
  const { directory, progress, signal } = options;
  const planned = await planDebs(options);
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw outputFailure(directory, error);
  });
  const packed: PackedDeb[] = [];
  for (const deb of planned) {
    signal?.throwIfAborted();
    for (const warning of deb.warnings) progress.warn(warning);
    const transfer = progress.transfer(`packing ${deb.fileName}`, deb.size);
    try {
      const file = join(directory, deb.fileName);
      const { size, sha256 } = await writePackage(file, deb, {
        mtime: options.sourceDate ?? defaultSourceDate,
        signal,
        onBytes: (count) => transfer.add(count),
      });
      packed.push({ name: deb.name, file, version: deb.version, architecture: deb.architecture, size, sha256 });
    } finally {
      transfer.end();
    }
  }
  return packed;
}

/** Lays out and checks everything that `packDebs` writes, and writes nothing. */
export async function planDebs(options: PlanDebsOptions): Promise<PlannedDeb[]> {
  const { config, version, images } = options;
  requireSameOrder(version, options.others ?? []);
  const layout: LayoutOptions = { version, images, mtime: options.sourceDate ?? defaultSourceDate };
  const planned: PlannedDeb[] = [];
  const failures: Failure[] = [];
  for (const deb of chosen(config, options.only)) {
    try {
      planned.push(...(await layOut(config, deb, layout)));
    } catch (error) {
      if (error instanceof Failures) failures.push(...error.failures);
      else if (error instanceof Failure) failures.push(error);
      else throw error;
    }
  }
  failures.push(...doubleOwners(config, planned));
  if (failures.length === 1) throw failures[0]!;
  if (failures.length > 1) throw new Failures(failures);
  return planned;
}

function chosen(config: Config, only: readonly string[] | undefined): Deb[] {
  if (only === undefined) return config.debs;
  const known = config.debs.map(({ name }) => name);
  const unknown = only.find((name) => !known.includes(name));
  if (unknown === undefined) return config.debs.filter(({ name }) => only.includes(name));
  const near = didYouMean(unknown, known);
  throw new Failure({
    doing: `packing ${unknown}`,
    because: 'the configuration names no such package',
    fix: near === undefined ? `the packages are: ${known.join(', ') || 'none'}` : `did you mean ${near}?`,
    kind: 'input',
  });
}

/** SOURCE_DATE_EPOCH of the environment (reproducible-builds.org), seconds; undefined where it is not set. */
export function sourceDateOf(env: NodeJS.ProcessEnv): number | undefined {
  const text = env.SOURCE_DATE_EPOCH;
  if (text === undefined || text === '') return undefined;
  if (/^[0-9]{1,11}$/.test(text)) return Number(text);
  throw new Failure({
    doing: 'reading SOURCE_DATE_EPOCH',
    because: `${JSON.stringify(text)} is not a number of seconds since 1970`,
    fix: 'unset it, or set it as in SOURCE_DATE_EPOCH=1700000000',
    kind: 'input',
  });
}
