import type { Config, Deb } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { incompleteTrees, isFolder, type SourceTree, type Taker } from './complete.ts';
import { collectContents, type Collected } from './contents.ts';
import { readDebianFolder, type DebianSource } from './debian/source.ts';
import { declaredDraft, type DraftOptions } from './declared-draft.ts';
import type { Draft, OffReason } from './draft.ts';
import { layOut, type LayoutOptions } from './layout.ts';
import type { PlannedDeb, ServiceImage } from './planned-deb.ts';
import { modelDraft, takenOfModel, type ModelDeb } from './model-draft.ts';
import { noSuchPackage } from './no-such-package.ts';
import { doubleOwners } from './owners.ts';
import { applyChoice, needsOfOff, type Choice } from './selection.ts';
import { defaultSourceDate } from './source-date.ts';
import { debTrouble, keepFailures, throwAll } from './trouble.ts';
import { withUnversioned } from './unversioned.ts';
import { variablesOf } from './variables.ts';
import { debianVersion, requireSameOrder } from './version.ts';

export interface PlanDebsOptions {
  config: Config;
  /** The release, with or without `v`. */
  version: string;
  /** Images that service packages start. */
  images: readonly ServiceImage[];
  /** Names of packages, or of entries of `debs:`; all that are on where absent. */
  only?: readonly string[] | undefined;
  /** Names of packages that are on or off whatever the configuration says. */
  choice?: Choice;
  /** Releases that devices may have: their order must be the same for dpkg. */
  others?: readonly string[];
  /** Seconds: the time of every file. */
  sourceDate?: number;
  /** Where variables come from that `args:` does not have; the process's own where absent. */
  env?: NodeJS.ProcessEnv;
  /** Lay them out so that they can be compared with those of other releases. */
  comparable?: boolean;
  /** Models that are packages. */
  models?: readonly ModelDeb[];
}

/** All that a configuration declares, checked. */
export interface DebsPlan {
  /** What is asked for. */
  planned: PlannedDeb[];
  off: { name: string; why: OffReason; version: string }[];
  /** debian/ folders whose rules build something: dpkg-buildpackage makes these. */
  built: DebianSource[];
}

/**
 * Lays out and checks what is asked for, and checks all the rest: every value, every pattern, that every file of a
 * declared tree is in exactly one package, that no two packages own one path, and that no package needs one that is
 * off. Writes nothing. `check`: no file is opened, and images that are not there are stood in for.
 */
export async function planAllDebs(options: PlanDebsOptions & { check?: boolean }): Promise<DebsPlan> {
  const { config, version, images, only, choice = { on: [], off: [] }, check = false } = options;
  const failures: Failure[] = [];
  const release = debianVersion(version);
  requireSameOrder(version, options.others ?? []);
  const variables = variablesOf(config, options.env ?? process.env);
  const drafting: DraftOptions = { version: release, variables };

  const drafts: Draft[] = [];
  const built: DebianSource[] = [];
  const trees: SourceTree[] = [];
  for (const deb of config.debs) {
    await keepFailures(failures, async () => {
      if (deb.from === undefined) {
        const draft = await declaredDraft(config, deb, drafting);
        drafts.push(draft);
        const tree = await treeOf(config, draft.of);
        if (tree !== undefined) trees.push(tree);
        return;
      }
      const source = await readDebianFolder(config, deb, drafting);
      drafts.push(...source.drafts);
      if (source.reasons.length > 0) built.push(source);
      else trees.push(source.tree);
    });
  }
  const takenByModels = new Map<string, Collected['taken']>();
  // Of `debs:`, of a debian/ folder; the former where the latter cannot be read.
  const written = config.debs.find(({ maintainer }) => maintainer !== '')?.maintainer;
  const neighbour = drafts[0]?.fields.maintainer ?? written;
  for (const model of options.models ?? []) {
    await keepFailures(failures, async () => {
      const draft = modelDraft(config, model, release, neighbour);
      drafts.push(draft);
      takenByModels.set(draft.name, takenOfModel(config, model));
    });
  }
  requireDistinct(drafts, failures);
  // What else is said to be wrong would only follow from this.
  throwAll(failures);
  applyChoice(config, drafts, choice);
  const wanted = wantedOf(config, drafts, only);
  const on = drafts.filter(({ off }) => off === undefined);

  const byHand = new Set(built.flatMap((source) => source.drafts.map(({ name }) => name)));
  const takers: Taker[] = [];
  const all: PlannedDeb[] = [];
  for (const draft of drafts.filter(({ name }) => !byHand.has(name))) {
    if (draft.off !== undefined) {
      takers.push({ ...draft, taken: takenByModels.get(draft.name) ?? (await takenOfOff(config, draft)) });
      continue;
    }
    await keepFailures(failures, async () => {
      const collected = await collectContents(config.root, draft.name, draft.placements);
      takers.push({ ...draft, taken: takenByModels.get(draft.name) ?? collected.taken });
      const isWanted = wanted.has(draft.name);
      const layout: LayoutOptions = {
        version,
        images: check || !isWanted ? standIns(config) : images,
        mtime: options.sourceDate ?? defaultSourceDate,
        chooseCompression: isWanted && !check,
      };
      const laidOut = await layOut(config, draft, collected, layout);
      const compared = isWanted && options.comparable === true;
      all.push(...(compared ? withUnversioned(config, draft, collected, layout, laidOut) : laidOut));
    });
  }
  // A package that could not be read leaves files without one: that is said first.
  if (failures.length === 0) failures.push(...(await incompleteTrees(config.root, trees, takers)));
  failures.push(...needsOfOff(drafts));
  failures.push(...partsNamedAsOthers(drafts, all));
  failures.push(...doubleOwners(new Map(on.map((draft) => [draft.name, draft])), all));
  throwAll(failures);
  return {
    planned: all.filter(({ of }) => wanted.has(of)),
    off: drafts.flatMap(({ name, off, version: own }) => (off === undefined ? [] : [{ name, why: off, version: own }])),
    built: built
      .map((source) => ({ ...source, drafts: source.drafts.filter(({ name }) => wanted.has(name)) }))
      .filter((source) => source.drafts.length > 0),
  };
}

/** As planAllDebs, for those that imgbuild writes itself. */
export async function planDebs(options: PlanDebsOptions): Promise<PlannedDeb[]> {
  return (await planAllDebs(options)).planned;
}

/** No path of a package depends on which image it is. */
export function standIns(config: Config): ServiceImage[] {
  const digest = `sha256:${'0'.repeat(64)}` as const;
  return config.layers.flatMap(({ name, image, platforms }) =>
    platforms.map((platform) => ({ layer: name, platform, config: digest, reference: `${image.path}:0.0.0` })),
  );
}

/** The files of a package that is off are not missed by any tree; they need not be there. */
async function takenOfOff(config: Config, draft: Draft): Promise<Collected['taken']> {
  const taken: Collected['taken'] = new Map();
  for (const placement of draft.placements) {
    const found = await keepFailures([], () => collectContents(config.root, draft.name, [placement]));
    for (const path of found?.taken.keys() ?? []) taken.set(path, placement);
  }
  return taken;
}

async function treeOf(config: Config, deb: Deb): Promise<SourceTree | undefined> {
  if (deb.tree === undefined) return undefined;
  const at =
    (...path: (string | number)[]) =>
    (because: string, fix: string) =>
      debTrouble(config, deb.name, path, because, fix);
  const trouble = at('tree');
  if (!(await isFolder(config.root, deb.tree)))
    throw trouble(`there is no folder ${deb.tree}`, 'make it, or mend the path');
  return {
    path: deb.tree,
    without: [],
    ignore: deb.ignore.map((pattern, index) => ({ pattern, trouble: at('ignore', index), mustMatch: true })),
    trouble,
  };
}

function partsNamedAsOthers(drafts: readonly Draft[], planned: readonly PlannedDeb[]): Failure[] {
  return drafts.flatMap((draft) => {
    const part = planned.find(({ name, of }) => name === draft.name && of !== name);
    const because = `a part of ${part?.of} is called ${draft.name}, too`;
    return part === undefined ? [] : [draft.trouble(because, 'rename one of the two')];
  });
}

function requireDistinct(drafts: readonly Draft[], failures: Failure[]): void {
  const byName = new Map<string, Draft>();
  for (const draft of drafts) {
    const other = byName.get(draft.name);
    if (other !== undefined) {
      const because = `the package ${draft.name} is declared twice: by debs.${other.of.name} and by debs.${draft.of.name}`;
      failures.push(draft.trouble(because, 'remove one of the two'));
    }
    byName.set(draft.name, other ?? draft);
  }
}

/** Throws a Failure for names that there are not, and for packages that are off. */
function wantedOf(config: Config, drafts: readonly Draft[], only: readonly string[] | undefined): Set<string> {
  const on = drafts.filter(({ off }) => off === undefined).map(({ name }) => name);
  if (only === undefined) return new Set(on);
  const wanted = new Set<string>();
  for (const name of only) {
    const entry = drafts.filter(({ of, off }) => of.name === name && of.from !== undefined && off === undefined);
    const draft = drafts.find((each) => each.name === name);
    for (const each of entry) wanted.add(each.name);
    if (draft === undefined && config.debs.some((deb) => deb.name === name)) continue;
    if (draft === undefined) throw noSuchPackage(config, drafts, name, 'packing');
    if (draft.off !== undefined) {
      const because = { configuration: 'debs: says so', control: 'it is commented out in control', call: '--off' };
      throw new Failure({
        doing: `packing ${name}`,
        because: `it is off (${because[draft.off]})`,
        fix: `add --on ${name}`,
        kind: 'input',
      });
    }
    wanted.add(name);
  }
  return wanted;
}
