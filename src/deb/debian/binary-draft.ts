import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { gzipSync } from 'node:zlib';
import { hostPlatform } from '../../oci/platform.ts';
import { debianArchitecture } from '../architecture.ts';
import { sysusersPackages } from '../declared-draft.ts';
import { troubleAt, type Draft } from '../draft.ts';
import { textFile, type PackageEntry } from '../entry.ts';
import { scriptNames, type OwnScripts } from '../maintainer-scripts.ts';
import type { Placement } from '../placement.ts';
import type { ControlStanza } from './control-file.ts';
import { binaryFields, type FieldsContext } from './fields.ts';
import { placementsOf, readInstallFile, wordsByLine } from './install-file.ts';
import { linkTarget } from './link.ts';
import type { PackageFolder } from './package-folder.ts';
import type { Rules } from './rules.ts';
import { readTextFile, type TextFile } from './text-file.ts';
import { managedUnits } from './unit-calls.ts';
import { unitFiles } from './unit-files.ts';

/** One binary package of a debian/ folder, as debhelper would make it. Throws Failures at the places that are wrong. */
export async function binaryDraft(
  parts: PackageFolder,
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
  // Pages about FOO in FOO-doc are looked for where FOO has its own (dh_installdocs, --doc-main-package).
  const about = name.replace(/-doc$/, '');
  const pages = `usr/share/doc/${parts.packages.includes(about) ? about : name}`;
  const install = await read('install');
  if (install !== undefined) placements.push(...readInstallFile(install, root));
  for (const [kind, target] of [
    ['docs', `/${pages}/`],
    ['examples', `/${pages}/examples/`],
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
    versionOfNoRelease: parts.versionOfNoRelease,
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

/** `any` is this machine's. */
function architecturesOf(stanza: ControlStanza): [string, ...string[]] {
  const own = debianArchitecture(hostPlatform()) ?? 'amd64';
  const words = (stanza.fields.get('architecture')?.value ?? 'all').split(/\s+/).filter((word) => word !== '');
  const names = words.map((word) => (/^(?:any|linux-any)$/.test(word) ? own : word.replace(/^any-/, '')));
  return [names[0] ?? 'all', ...new Set(names.slice(1))];
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
