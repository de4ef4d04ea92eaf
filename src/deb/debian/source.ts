import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import type { Config, Deb } from '../../config/config.ts';
import { didYouMean } from '../../config/did-you-mean.ts';
import { Failure } from '../../failure.ts';
import { isFolder, type SourceTree } from '../complete.ts';
import { versionOf, type DraftOptions } from '../declared-draft.ts';
import { noRelease } from '../source-date.ts';
import { troubleAt, type Draft } from '../draft.ts';
import { isPackageName } from '../relation.ts';
import { debTrouble, keepFailures, throwAll } from '../trouble.ts';
import { expandDeb } from '../variables.ts';
import { binaryDraft } from './binary-draft.ts';
import { readChangelog } from './changelog.ts';
import { parseControlFile, type ControlField, type ControlStanza } from './control-file.ts';
import { buildFiles, needsDebhelper } from './debhelper-parts.ts';
import type { PackageFolder } from './package-folder.ts';
import { plainUnitCall, readRules, type Rules } from './rules.ts';
import { debianTree } from './source-tree.ts';
import { readTextFile, type TextFile } from './text-file.ts';

/** What a debian/ folder declares. Paths are relative to the repository's root. */
export interface DebianSource {
  of: Deb;
  /** The folder that debian/ lies in: what it packs. */
  root: string;
  folder: string;
  drafts: Draft[];
  /** Why dpkg-buildpackage must make it; none where imgbuild can. */
  reasons: string[];
  tree: SourceTree;
}

/** Reads a debian/ folder. Throws Failures at the places in it that are wrong, and at `from:` where there is none. */
export async function readDebianFolder(config: Config, written: Deb, options: DraftOptions): Promise<DebianSource> {
  const { version: declaredVersion, ...rest } = written;
  const of = expandDeb(config, rest, options.variables);
  const folder = of.from!;
  const here = (because: string, fix: string) => debTrouble(config, of.name, ['from'], because, fix);
  if (!(await isFolder(config.root, folder)))
    throw here(`there is no folder ${folder}`, 'write the path of a debian/ folder');
  const root = posix.dirname(folder);
  const names = await readdir(posix.join(config.root, folder));
  const read = (name: string) => readTextFile(config.root, `${folder}/${name}`);
  const need = async (name: string): Promise<TextFile> => {
    const file = await read(name);
    if (file !== undefined) return file;
    throw here(`there is no ${folder}/${name}`, 'write the path of a whole debian/ folder');
  };

  const controlFile = await need('control');
  const control = parseControlFile(controlFile);
  const changelogFile = await need('changelog');
  const changelog = readChangelog(changelogFile);
  const version =
    declaredVersion === undefined ? changelog.version : versionOf(config, { ...of, version: declaredVersion }, options);
  const versionOfNoRelease =
    declaredVersion === undefined
      ? changelog.version
      : versionOf(config, { ...of, version: declaredVersion }, { ...options, version: noRelease });
  const rulesFile = await read('rules');
  const rules: Rules =
    rulesFile === undefined
      ? { reasons: [], buildsNothing: true, chmods: [], units: [plainUnitCall] }
      : readRules(rulesFile);
  const reasons = [...rules.reasons];
  if (!rules.buildsNothing) {
    const items = await readdir(posix.join(config.root, root));
    reasons.push(...items.filter((name) => buildFiles.test(name)).map((name) => `${posix.join(root, name)} is there`));
  }

  const failures: Failure[] = [];
  const packages = control.packages.map((stanza) => ({ stanza, name: stanza.fields.get('package')!.value }));
  const packageNames = packages.map(({ name }) => name);
  const sourceField = control.source.fields.get('source')!;
  if (!isPackageName(sourceField.value)) failures.push(noPackageName(controlFile, sourceField));
  const seen = new Set<string>();
  for (const { name, stanza } of packages) {
    const at = controlFile.at(stanza.fields.get('package')!.line);
    if (!isPackageName(name)) failures.push(noPackageName(controlFile, stanza.fields.get('package')!));
    if (seen.has(name)) failures.push(troubleAt(at, `${name} stands here twice`, 'keep one of the two'));
    seen.add(name);
  }
  const chosen = { on: of.on, off: Array.isArray(of.off) ? of.off : [] };
  for (const key of ['on', 'off'] as const) {
    for (const [index, name] of chosen[key].entries()) {
      if (packageNames.includes(name)) continue;
      const near = didYouMean(name, packageNames);
      const fix = near === undefined ? `the packages are: ${packageNames.join(', ')}` : `did you mean ${near}?`;
      const because = `${controlFile.path} has no package ${name}`;
      failures.push(debTrouble(config, of.name, [key, index], because, fix));
    }
  }
  throwAll(failures);

  const others = names.filter((name) => needsDebhelper(name, packageNames));
  reasons.push(
    ...others.map((name) => `${folder}/${name} is for a part of debhelper that imgbuild does not stand in for`),
  );

  const drafts: Draft[] = [];
  for (const [index, { stanza, name }] of packages.entries()) {
    const draft = await keepFailures(failures, async () => {
      const context = {
        control,
        file: controlFile,
        version,
        sourceName: sourceField.value,
        reasons,
      };
      const parts: PackageFolder = {
        config,
        of,
        root,
        folder,
        names,
        name,
        packages: packageNames,
        isFirst: index === 0,
        version,
        versionOfNoRelease,
        rulesFile,
      };
      const off = offReason(stanza, of, chosen);
      return binaryDraft(parts, stanza, context, rules, off);
    });
    if (draft !== undefined) drafts.push(draft);
  }
  // What another tool makes of the folder is for that tool to judge.
  if (reasons.length === 0) throwAll(failures);
  else throwAll(failures.filter(({ at }) => at?.file === controlFile.path));
  return {
    of,
    root,
    folder,
    drafts,
    reasons: [...new Set(reasons)],
    tree: await debianTree(config, of, root, folder, here),
  };
}

function noPackageName(file: TextFile, { value, line }: ControlField): Failure {
  const because = `${JSON.stringify(value)} is no package name`;
  return troubleAt(file.at(line), because, 'write lower-case letters, digits and + - .');
}

function offReason(
  stanza: ControlStanza,
  of: Deb,
  chosen: { on: readonly string[]; off: readonly string[] },
): Draft['off'] {
  const name = stanza.fields.get('package')!.value;
  if (of.off === true || chosen.off.includes(name)) return 'configuration';
  return stanza.commented && !chosen.on.includes(name) ? 'control' : undefined;
}
