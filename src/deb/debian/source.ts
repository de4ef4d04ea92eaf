import { readFile, readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Config, Deb } from '../../config/config.ts';
import { didYouMean } from '../../config/did-you-mean.ts';
import { Failure } from '../../failure.ts';
import { hostPlatform } from '../../oci/platform.ts';
import { debianArchitecture } from '../architecture.ts';
import { isFolder, type SourceTree } from '../complete.ts';
import { sysusersPackages, versionOf, type DraftOptions } from '../declared-draft.ts';
import { troubleAt, type Draft } from '../draft.ts';
import { textFile, type PackageEntry } from '../entry.ts';
import { scriptNames, type OwnScripts } from '../maintainer-scripts.ts';
import type { Placement } from '../placement.ts';
import { isPackageName } from '../relation.ts';
import { debTrouble, keepFailures, throwAll } from '../trouble.ts';
import { expandDeb } from '../variables.ts';
import { readChangelog } from './changelog.ts';
import { parseControlFile, type ControlStanza } from './control-file.ts';
import { binaryFields, type FieldsContext } from './fields.ts';
import { placementsOf, readInstallFile, wordsByLine } from './install-file.ts';
import { linkTarget } from './link.ts';
import { plainUnitCall, readRules, type Rules, type UnitCall } from './rules.ts';
import { readTextFile, type TextFile } from './text-file.ts';
import { managedUnits } from './unit-calls.ts';

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
  const byName = new Map(packages.map((each) => [each.name, each]));
  for (const { name, stanza } of packages) {
    const at = controlFile.at(stanza.fields.get('package')!.line);
    if (!isPackageName(name))
      failures.push(
        troubleAt(at, `${JSON.stringify(name)} is no package name`, 'write lower-case letters, digits and + - .'),
      );
    if (byName.get(name)!.stanza !== stanza)
      failures.push(troubleAt(at, `${name} stands here twice`, 'keep one of the two'));
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
        sourceName: control.source.fields.get('source')!.value,
        reasons,
      };
      const parts: Parts = { config, of, root, folder, names, name, isFirst: index === 0, version, rulesFile };
      const off = offReason(stanza, of, chosen);
      return draftOf(parts, stanza, context, rules, off);
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
    tree: await treeOf(config, of, root, folder, here),
  };
}

interface Parts {
  config: Config;
  of: Deb;
  root: string;
  folder: string;
  /** Names of the files of the folder. */
  names: readonly string[];
  name: string;
  /** Files of the folder without a package's name are of the first package. */
  isFirst: boolean;
  version: string;
  rulesFile: TextFile | undefined;
}

async function draftOf(
  parts: Parts,
  stanza: ControlStanza,
  context: Omit<FieldsContext, 'miscDepends'>,
  rules: Rules,
  off: Draft['off'],
): Promise<Draft> {
  const { config, of, root, folder, name, version } = parts;
  const { file } = context;
  const packageLine = stanza.fields.get('package')!.line;
  const fileOf = (kind: string) => {
    const own = parts.names.includes(`${name}.${kind}`) ? `${name}.${kind}` : undefined;
    return own ?? (parts.isFirst && parts.names.includes(kind) ? kind : undefined);
  };
  const read = async (kind: string) => {
    const found = fileOf(kind);
    return found === undefined ? undefined : readTextFile(config.root, `${folder}/${found}`);
  };
  const bytesOf = async (kind: string) => {
    const found = fileOf(kind);
    return found === undefined ? undefined : readFile(posix.join(config.root, folder, found));
  };

  const made: PackageEntry[] = [];
  const placements: Placement[] = [];
  const doc = `usr/share/doc/${name}`;
  const install = await read('install');
  if (install !== undefined) placements.push(...readInstallFile(install, root));
  for (const [kind, target] of [
    ['docs', `/${doc}/`],
    ['examples', `/${doc}/examples/`],
  ] as const) {
    const listed = await read(kind);
    for (const word of listed === undefined ? [] : wordsByLine(listed).flat()) {
      placements.push(...placementsOf(listed!, word, { ...word, text: target }, root));
    }
  }
  const dirs = await read('dirs');
  for (const word of dirs === undefined ? [] : wordsByLine(dirs).flat()) {
    const trouble = (_key: string, because: string, fix: string) =>
      troubleAt(dirs!.at(word.line, word.column, word.text.length), because, fix);
    placements.push({ type: 'dir', dst: `/${word.text.replace(/^\/+/, '')}`, trouble });
  }
  const links = await read('links');
  for (const [target, link, ...more] of links === undefined ? [] : wordsByLine(links)) {
    const at = links!.at(target!.line, target!.column);
    if (link === undefined || more.length > 0) throw troubleAt(at, 'this is no pair of paths', 'write TARGET LINK');
    const trouble = (_key: string, because: string, fix: string) => troubleAt(at, because, fix);
    const dst = `/${link.text.replace(/^\/+/, '')}`;
    placements.push({ type: 'symlink', src: linkTarget(target!.text, dst), dst, trouble });
  }

  const changelogName = version.includes('-') ? 'changelog.Debian.gz' : 'changelog.gz';
  const texts: [kind: string, path: string, compressed?: boolean][] = [
    ['changelog', `${doc}/${changelogName}`, true],
    ['copyright', `${doc}/copyright`],
    ['NEWS', `${doc}/NEWS.Debian.gz`, true],
    ['README.Debian', `${doc}/README.Debian`],
    ['lintian-overrides', `usr/share/lintian/overrides/${name}`],
    ['default', `etc/default/${name}`],
    ['logrotate', `etc/logrotate.d/${name}`],
    ['sysusers', `usr/lib/sysusers.d/${name}.conf`],
    ['tmpfiles', `usr/lib/tmpfiles.d/${name}.conf`],
    ['tmpfile', `usr/lib/tmpfiles.d/${name}.conf`],
  ];
  for (const [kind, path, compressed] of texts) {
    // All packages of a source have its changelog and its copyright.
    const shared = kind === 'changelog' || kind === 'copyright';
    const bytes =
      (await bytesOf(kind)) ??
      (shared && parts.names.includes(kind) ? await readFile(posix.join(config.root, folder, kind)) : undefined);
    if (bytes !== undefined) made.push(textFile(path, compressed === true ? gzipSync(bytes, { level: 9 }) : bytes));
  }
  made.push(...(await unitFiles(parts, rules.units)));

  const scripts: OwnScripts = {};
  for (const script of scriptNames) {
    const written = await read(script);
    if (written === undefined) continue;
    scripts[script] = { text: written.text, trouble: (because, fix) => troubleAt(written.at(1), because, fix) };
  }
  const conffiles =
    (await read('conffiles'))?.lines.map((line) => line.trim()).filter((line) => line.startsWith('/')) ?? [];
  const architectures = architecturesOf(stanza);
  const sysusers = made.flatMap(({ path }) => namedBelow(path, 'usr/lib/sysusers.d/'));
  const miscDepends = sysusers.length > 0 ? sysusersPackages : '';
  const fields = binaryFields(stanza, { ...context, miscDepends }, architectures[0]);
  const at = file.at(packageLine);
  return {
    name,
    of,
    off,
    version,
    architectures,
    fields,
    placements,
    made,
    modes: modesOf(rules, name, parts.rulesFile),
    scripts,
    units: await managedUnits(config.root, name, made, placements, rules.units),
    triggers: (await read('triggers'))?.text,
    sysusers,
    tmpfiles: [...new Set(made.flatMap(({ path }) => namedBelow(path, 'usr/lib/tmpfiles.d/')))],
    conffiles,
    trouble: (because, fix) => troubleAt(at, because, fix),
    relationTrouble: (field, _index, because, fix) => {
      const found = stanza.fields.get(field === 'depends' ? 'depends' : 'pre-depends');
      return troubleAt(found === undefined ? at : file.at(found.line), because, fix);
    },
  };
}

/** Build systems that `dh` runs by itself (debhelper(7)). */
const buildFiles =
  /^(?:configure|[Mm]akefile|GNUmakefile|setup\.py|pyproject\.toml|CMakeLists\.txt|meson\.build|Build\.PL|Makefile\.PL|build\.xml|.*\.pro)$/;

/** Files that other parts of debhelper read: what they make would be missing. */
function needsDebhelper(name: string, packages: readonly string[]): boolean {
  const kind =
    /^(?:.*\.)?(alternatives|apport|bash-completion|bug-control|bug-script|config|cron\.[a-z]+|doc-base(?:\..+)?|emacsen-.*|gsettings-override|if-[a-z-]+|info|init|initramfs-.*|logcheck\..*|maintscript|manpages|menu|mime|modprobe|pam|po|ppp\..*|sharedmimeinfo|symbols(?:\..+)?|shlibs(?:\..+)?|templates|udev|wm|service\.in)$/.exec(
      name,
    )?.[1];
  if (kind === undefined) return false;
  return name === kind || packages.some((each) => name === `${each}.${kind}`);
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

/** `any` is this machine's. */
function architecturesOf(stanza: ControlStanza): [string, ...string[]] {
  const own = debianArchitecture(hostPlatform()) ?? 'amd64';
  const words = (stanza.fields.get('architecture')?.value ?? 'all').split(/\s+/).filter((word) => word !== '');
  const names = words.map((word) => (/^(?:any|linux-any)$/.test(word) ? own : word.replace(/^any-/, '')));
  return [names[0] ?? 'all', ...new Set(names.slice(1))];
}

/** `debian/PKG.service`, and for `--name=N` `debian/PKG.N.service` or, for the first package, `debian/N.service`. */
async function unitFiles(parts: Parts, calls: readonly UnitCall[]): Promise<PackageEntry[]> {
  const { config, folder, name, names, isFirst } = parts;
  const entries = new Map<string, PackageEntry>();
  for (const call of calls) {
    if (call.packages !== undefined && !call.packages.includes(name)) continue;
    for (const type of ['service', 'target', 'socket', 'path', 'timer', 'mount']) {
      for (const at of ['', '@']) {
        const unit = `${call.name ?? name}${at}.${type}`;
        const candidates =
          call.name === undefined
            ? [`${name}${at}.${type}`, ...(isFirst && at === '' ? [type] : [])]
            : [`${name}${at}.${call.name}.${type}`, ...(isFirst ? [unit] : [])];
        const found = candidates.find((candidate) => names.includes(candidate));
        if (found === undefined) continue;
        const path = `usr/lib/systemd/system/${unit}`;
        entries.set(path, textFile(path, await readFile(posix.join(config.root, folder, found))));
      }
    }
  }
  return [...entries.values()];
}

/** chmod's lines, as far as they are of this package. */
function modesOf(rules: Rules, name: string, rulesFile: TextFile | undefined): Draft['modes'] {
  return rules.chmods.flatMap(({ paths, mode, below, line }) =>
    paths
      .filter((path) => path.startsWith(`debian/${name}/`))
      .map((path) => ({
        pattern: path.slice(`debian/${name}/`.length).replace(/\/+$/, ''),
        below,
        mode,
        trouble: (because: string, fix: string) =>
          troubleAt(rulesFile!.at(line, rulesFile!.lines[line - 1]!.indexOf(path) + 1, path.length), because, fix),
      })),
  );
}

function namedBelow(path: string, folder: string): string[] {
  return path.startsWith(folder) ? [path.slice(folder.length)] : [];
}

async function treeOf(
  config: Config,
  of: Deb,
  root: string,
  folder: string,
  trouble: (because: string, fix: string) => Failure,
): Promise<SourceTree> {
  const declared = of.ignore.map((pattern, index) => ({
    pattern,
    mustMatch: true,
    trouble: (because: string, fix: string) => debTrouble(config, of.name, ['ignore', index], because, fix),
  }));
  const listed = await readTextFile(config.root, `${folder}/not-installed`);
  const notInstalled = listed === undefined ? [] : wordsByLine(listed).flat();
  return {
    path: root,
    without: [folder],
    ignore: [
      ...declared,
      ...notInstalled.map((word) => ({
        pattern: posix.join(root, word.text.replace(/^\/+/, '')),
        mustMatch: false,
        trouble: (because: string, fix: string) =>
          troubleAt(listed!.at(word.line, word.column, word.text.length), because, fix),
      })),
    ],
    trouble,
  };
}
