import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import type { Progress } from '../progress.ts';
import { removeAbandoned } from './abandoned.ts';
import { writePackage } from './archive.ts';
import { findCompressors } from './compressors.ts';
import { buildDebianSource } from './debian/build.ts';
import { decidedParts, planSavedDebs, type DecidedDeb } from './decide-debs.ts';
import type { PlannedDeb } from './planned-deb.ts';
import { makeOutputFolder } from './output-file.ts';
import { restoreDeb } from './restore-deb.ts';
import { branchToSaveOn, saveDeb } from './save-deb.ts';
import type { SavedDebs } from './saved-debs.ts';
import { sideBySide } from './side-by-side.ts';
import { keepHeapSmall } from './small-heap.ts';
import { defaultSourceDate } from './source-date.ts';
import { planAllDebs, type PlanDebsOptions } from './plan-debs.ts';

export type { ServiceImage } from './planned-deb.ts';
export { defaultSourceDate } from './source-date.ts';
export { planDebs, type PlanDebsOptions } from './plan-debs.ts';

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

export interface PackDebsOptions extends PlanDebsOptions {
  /** Where the packages go; made where it is not there. */
  directory: string;
  /** Whether they are moved from there by whoever asks: then what is known of them there is of no use later. */
  staged?: boolean;
  progress: Progress;
  signal?: AbortSignal;
  /** Where unchanged packages are taken from, and new ones are kept; every one is packed where absent. */
  saved?: SavedDebs;
}

/**
 * Writes the packages of a release: same configuration, files, images and version give the same bytes. Nothing is
 * written before all packages are laid out and checked; a package is under its name whole or not at all.
 */
export async function packDebs(options: PackDebsOptions): Promise<PackedDeb[]> {
  const { directory, staged = false, progress, signal, saved } = options;
  const mtime = options.sourceDate ?? defaultSourceDate;
  keepHeapSmall();
  const { planned, built } = await planAllDebs({ ...options, comparable: saved !== undefined });
  const compressors = await findCompressors(planned, signal);
  const decided = saved === undefined ? undefined : await planSavedDebs(planned, saved, compressors, progress, signal);
  const known = new Map(decided?.map((each) => [each.deb, each]));
  const decisions = new Map<PlannedDeb, DecidedDeb>();
  const completed = async (deb: PlannedDeb, stop: AbortSignal): Promise<PlannedDeb[]> => {
    const decision = known.get(deb);
    const whole = decision?.plan.action === 'reuse' ? [deb] : ((await deb.later?.complete(stop)) ?? [deb]);
    if (decision === undefined) return whole;
    const parts = decidedParts(decision, whole);
    for (const each of parts) decisions.set(each.deb, each);
    return parts.map((each) => each.deb);
  };
  const complete = (await sideBySide(planned, planned.length, () => 1, completed, signal)).flat();
  requireApart(planned, complete);
  await makeOutputFolder(directory);
  await removeAbandoned(directory);
  const isKept = saved !== undefined && branchToSaveOn(saved) !== undefined;
  const pack = async (deb: PlannedDeb, stop: AbortSignal): Promise<PackedDeb> => {
    for (const warning of deb.warnings) progress.warn(warning);
    const decision = decisions.get(deb);
    if (decision?.plan.action === 'reuse') {
      return restoreDeb(decision.repository, decision.plan.file, saved!, {
        deb,
        directory,
        staged,
        progress,
        signal: stop,
      });
    }
    const transfer = progress.transfer(`packing ${deb.fileName}`, deb.size);
    const file = join(directory, deb.fileName);
    const written = writePackage(file, deb, {
      mtime,
      signal: stop,
      zstd: compressors.zstd,
      onBytes: (count) => transfer.add(count),
      onFile: isKept ? decision?.learn : undefined,
    });
    const { size, sha256 } = await written.finally(() => transfer.end());
    const packed = { name: deb.name, file, version: deb.version, architecture: deb.architecture, size, sha256 };
    if (decision !== undefined) await saveDeb(decision, packed, saved!, { progress, signal: stop });
    // Where it lies, the next call need not write it again.
    if (isKept && !staged) await saved.hashes.remember(file, sha256);
    return packed;
  };
  const packed = await sideBySide(complete, Math.min(4, availableParallelism()), slotsOf, pack, signal);
  await saved?.hashes.save();
  for (const source of built) {
    const { env = process.env } = options;
    packed.push(...(await buildDebianSource(options.config, source, { directory, mtime, env, progress, signal })));
  }
  return packed;
}

/** The parts of a package whose files were still to come have names of their own. */
function requireApart(planned: readonly PlannedDeb[], complete: readonly PlannedDeb[]): void {
  for (const { name, later } of planned) {
    if (later === undefined) continue;
    const part = complete.find((deb) => deb.of === name && complete.some((o) => o !== deb && o.name === deb.name));
    if (part === undefined) continue;
    throw later.trouble(`a part of ${name} is called ${part.name}, as another package`, 'rename one of the two');
  }
}

/** Cores that a package keeps busy: xz and zstd have two threads, and take memory for each. */
function slotsOf({ compression }: PlannedDeb): number {
  return compression === 'xz' || compression === 'zstd' || compression === 'strong-zstd' ? 2 : 1;
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
