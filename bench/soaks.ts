import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agreementSoak } from '../test/agreement/soak.ts';
import { runKillSoak as runAptKillSoak } from '../test/apt/kill-soak.ts';
import { runPackingKills } from '../test/deb/kill-soak.ts';
import { runHugeFiles } from '../test/deb/huge-soak.ts';
import { runCorruptions, runInterruptions } from '../test/device/soak.ts';
import { deniedByDpkg, orderedVersions, releasesBySemver } from '../test/deb/version-soak.ts';
import { envdSoak } from '../test/import/soak.ts';
import { kconfigSoak } from '../test/kconfig/soak.ts';
import { runKillSoak } from '../test/store/kill-soak.ts';

export interface Soak {
  /** How many cases in all. */
  total: number;
  /** How many at a time: one part takes well under a minute. */
  part: number;
  run(part: { seed: number; count: number }): Promise<{ failures: string[]; counts: Record<string, number> }>;
  /** Stops what the parts share. */
  stop?(): Promise<void>;
}

/** Kills processes that write to a store, at random moments. */
const storeKill: Soak = {
  total: 200,
  part: 20,
  async run({ seed, count }) {
    const folder = await mkdtemp(join(tmpdir(), 'imgbuild-soak-'));
    const failures: string[] = [];
    const counts: Record<string, number> = { 'writers killed': count };
    try {
      const { acknowledged, silent } = await runKillSoak({ folder, seed, count });
      counts['layers said to be saved'] = acknowledged;
      counts['saved, and not yet said'] = silent;
    } catch (error) {
      failures.push((error as Error).message);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return { failures, counts };
  },
};

/** Kills publishers of an apt repository, at random moments. */
const aptKill: Soak = {
  total: 100,
  part: 20,
  async run({ seed, count }) {
    const folder = await mkdtemp(join(tmpdir(), 'imgbuild-soak-'));
    const failures: string[] = [];
    const counts: Record<string, number> = { 'publishers killed': count };
    try {
      const { seen, unseen } = await runAptKillSoak({ folder, seed, count });
      counts['readers then saw the new archive'] = seen;
      counts['readers then saw the old archive'] = unseen;
    } catch (error) {
      failures.push((error as Error).message);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return { failures, counts };
  },
};

/** Kills packings of Debian packages, at random moments. */
const debKill: Soak = {
  total: 100,
  part: 10,
  async run({ seed, count }) {
    try {
      const { killed, whole } = await runPackingKills({ seed, count });
      const counts: Record<string, number> = { 'packings killed': killed, 'packages under their names': whole };
      return { failures: [], counts };
    } catch (error) {
      return { failures: [(error as Error).message], counts: {} };
    }
  },
};

/** Packs a sparse file of 12 GB, whole and split, and has it unpacked. */
const debHuge: Soak = {
  total: 1,
  part: 1,
  async run() {
    try {
      return { failures: [], counts: await runHugeFiles() };
    } catch (error) {
      return { failures: [(error as Error).message], counts: {} };
    }
  },
};

/** Cuts the power of devices that update themselves, and kills what takes part, at random moments. */
const otaPower: Soak = { total: 300, part: 10, run: (part) => runInterruptions('cuts', part) };
const otaKill: Soak = { total: 300, part: 10, run: (part) => runInterruptions('kills', part) };
/** Compares random versions, and releases as packages have them, by dpkg itself. */
const debVersions: Soak = {
  total: 40_000,
  part: 4_000,
  run({ seed, count }) {
    const random = orderedVersions({ seed, count: count / 2 });
    const { passed, refused } = releasesBySemver({ seed, count: count / 2 });
    const failures = deniedByDpkg([...random, ...passed]);
    const agreed = refused.length - deniedByDpkg(refused).length;
    if (agreed > 0) failures.push(`${agreed} releases were refused whose order is the same for both`);
    const counts: Record<string, number> = {
      'pairs of random versions': random.length,
      'pairs of releases in the same order': passed.length,
      'pairs of releases that are refused': refused.length,
    };
    return Promise.resolve({ failures, counts });
  },
};

/** Damages bundles of both formats. */
const otaCorruption: Soak = { total: 10_000, part: 250, run: runCorruptions };

/** By the names that `npm run soak -- NAME` takes. */
export const soaks: Record<string, Soak> = {
  agreement: agreementSoak,
  kconfig: kconfigSoak,
  envd: envdSoak,
  'apt-kill': aptKill,
  'store-kill': storeKill,
  'deb-kill': debKill,
  'deb-huge': debHuge,
  'ota-power': otaPower,
  'ota-kill': otaKill,
  'ota-corruption': otaCorruption,
  'deb-versions': debVersions,
};
