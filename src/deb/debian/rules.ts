import type { TextFile } from './text-file.ts';

/** What debian/rules asks of debhelper, as far as it does not build anything. */
export interface Rules {
  /** Why only dpkg-buildpackage can do it; none where imgbuild can. */
  reasons: string[];
  /** Whether the build system of the sources is kept from running. */
  buildsNothing: boolean;
  chmods: { paths: string[]; mode: number; below: boolean; line: number }[];
  units: UnitCall[];
}

/** One call of dh_installsystemd. */
export interface UnitCall {
  packages: string[] | undefined;
  name: string | undefined;
  enable: boolean;
  start: boolean;
  upgrade: 'restart' | 'stop' | 'leave';
}

export const plainUnitCall: UnitCall = {
  packages: undefined,
  name: undefined,
  enable: true,
  start: true,
  upgrade: 'restart',
};

/** Targets whose recipe may be left empty without a difference to what imgbuild packs. */
const emptyTargets =
  /^override_dh_(?:auto_(?:configure|build|test|install|clean)|strip|strip_nondeterminism|shlibdeps|makeshlibs|dwz|builddeb|md5sums|compress|fixperms|usrlocal|missing|clean)$/;

/** Reads debian/rules (a makefile) for what imgbuild does itself: `dh $@`, chmod, and options of dh_installsystemd. */
export function readRules(file: TextFile): Rules {
  const rules: Rules = { reasons: [], buildsNothing: false, chmods: [], units: [] };
  const recipes = new Map<string, { line: number; commands: { text: string; line: number }[] }>();
  const refuse = (line: number, text: string) => rules.reasons.push(`${file.path}:${line}: ${text.trim()}`);
  let target: string | undefined;
  for (const { text, line } of joinedLines(file.lines)) {
    if (text.startsWith('\t')) {
      const command = text.trim().replace(/^[@-]+\s*/, '');
      if (command === '' || command.startsWith('#')) continue;
      if (target === undefined) refuse(line, text);
      else recipes.get(target)!.commands.push({ text: command, line });
      continue;
    }
    const bare = text.replace(/#.*$/, '').trim();
    if (bare === '') continue;
    if (/^(?:override\s+)?(?:un)?export\b|^[A-Za-z_][\w-]*\s*[:?+!]?=|^-?include\s+\/usr\/share\/dpkg\//.test(bare))
      continue;
    const rule = /^([^\s:=]+)\s*::?\s*([^=]*)$/.exec(bare);
    if (rule === null) refuse(line, text);
    else if (rule[1] !== '.PHONY') {
      target = rule[1]!;
      if (rule[2]!.trim() !== '') refuse(line, text);
      if (!recipes.has(target)) recipes.set(target, { line, commands: [] });
    }
  }

  let installs: UnitCall[] | undefined;
  for (const [name, { line, commands }] of recipes) {
    const [stage, tool] = /^(override|execute_before|execute_after)_(dh_[a-z_]+)$/.exec(name)?.slice(1) ?? [];
    if (name === '%') {
      for (const command of commands) if (!isPlainDh(command.text)) refuse(command.line, command.text);
    } else if (stage === undefined || tool === undefined) refuse(line, `${name}:`);
    else if (commands.length === 0) {
      if (stage === 'override' && !emptyTargets.test(name) && tool !== 'dh_installsystemd') refuse(line, `${name}:`);
      if (tool === 'dh_installsystemd' && stage === 'override') installs = [];
    } else {
      for (const { text, line: at } of commands) {
        const words = text.split(/\s+/);
        const call = tool === 'dh_installsystemd' && words[0] === tool ? unitCallOf(words.slice(1)) : undefined;
        const chmod = words[0] === 'chmod' ? chmodOf(words.slice(1)) : undefined;
        if (call !== undefined) (installs ??= stage === 'override' ? [] : [plainUnitCall]).push(call);
        else if (chmod !== undefined && /^dh_(?:fixperms|install)$/.test(tool))
          rules.chmods.push({ ...chmod, line: at });
        // With its own options for how to compress: `compression:` says that here.
        else if (!(words[0] === tool && (words.length === 1 || tool === 'dh_builddeb'))) refuse(at, text);
      }
    }
  }
  const silenced = (tool: string) => recipes.get(`override_${tool}`)?.commands.length === 0;
  rules.buildsNothing = silenced('dh_auto_build') && silenced('dh_auto_install');
  rules.units = installs ?? [plainUnitCall];
  return rules;
}

function isPlainDh(command: string): boolean {
  const words = command.split(/\s+/).map((word) => word.replace(/^["'](.*)["']$/, '$1'));
  return (
    words[0] === 'dh' &&
    words.slice(1).every((word) => /^(?:\$@|\$\(?@\)?|--with=systemd|--with=installsysusers)$/.test(word))
  );
}

function unitCallOf(words: readonly string[]): UnitCall | undefined {
  const call: UnitCall = { ...plainUnitCall };
  let restarts: boolean | undefined;
  let stops = true;
  for (const word of words) {
    const [, name, value] = /^(--[a-z-]+|-p)(?:=?(.*))$/.exec(word) ?? [];
    if (name === '--name' && value) call.name = value;
    else if ((name === '-p' || name === '--package') && value) call.packages = [...(call.packages ?? []), value];
    else if (name === '--no-enable') call.enable = false;
    else if (name === '--no-start') call.start = false;
    else if (name === '--no-restart-after-upgrade') restarts = false;
    else if (name === '--no-restart-on-upgrade' || name === '--no-stop-on-upgrade') stops = false;
    else if (name === '--restart-after-upgrade') restarts = true;
    else return undefined;
  }
  restarts ??= stops && call.start;
  return { ...call, upgrade: restarts ? 'restart' : stops ? 'stop' : 'leave' };
}

function chmodOf(words: readonly string[]): { paths: string[]; mode: number; below: boolean } | undefined {
  const below = words[0] === '-R';
  const [mode, ...paths] = below ? words.slice(1) : words;
  if (mode === undefined || !/^[0-7]{3,4}$/.test(mode) || paths.length === 0) return undefined;
  if (!paths.every((path) => /^debian\/[a-z0-9+.-]+\/[^$`"'{}[\]\\;&|<>()]*$/.test(path))) return undefined;
  return { paths, mode: Number.parseInt(mode, 8), below };
}

function joinedLines(rows: readonly string[]): { text: string; line: number }[] {
  const joined: { text: string; line: number }[] = [];
  let open: { text: string; line: number } | undefined;
  for (const [index, row] of rows.entries()) {
    const text = open === undefined ? row : `${open.text} ${row.trim()}`;
    const line = open?.line ?? index + 1;
    if (row.endsWith('\\')) open = { text: text.slice(0, -1), line };
    else {
      joined.push({ text, line });
      open = undefined;
    }
  }
  if (open !== undefined) joined.push(open);
  return joined;
}
