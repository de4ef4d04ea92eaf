import path from 'node:path';
import { makeStateFolder } from '../context/state-folder.ts';
import { checkDebs, unreleased } from '../deb/check.ts';
import type { PackedDeb } from '../deb/pack-debs.ts';
import type { PlannedDeb } from '../deb/planned-deb.ts';
import type { Reason } from '../plan/plan.ts';
import type { Choice } from '../deb/selection.ts';
import { listProject, packProject, type ListedDebs } from '../project/debs.ts';
import { modelDebs } from '../project/model-debs.ts';
import { bytesKnown } from '../project/plan-packages.ts';
import { openProject, type Project } from '../project/open.ts';
import { describeReason } from '../report/reason.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface DebsOptions {
  output?: string;
  list?: boolean;
  check?: boolean;
  frozen?: boolean;
  force?: boolean;
  version?: string;
  on: string[];
  off: string[];
}

export const addDebs: AddCommand = (program, contextOf) => {
  program
    .command('debs')
    .description('pack the Debian packages that the configuration names')
    .argument('[packages...]', 'these packages (default: all)')
    .option('-o, --output <dir>', 'where the packages go (default: .imgbuild/debs)')
    .option('--version <version>', `the release that they belong to (default: ${unreleased})`)
    .option('--on <package>', 'pack this one, although it is off; may be given several times', collect, [])
    .option('--off <package>', 'leave this one out; may be given several times', collect, [])
    .option('--list', 'say what would be packed and why, what is unchanged and what is off, and write nothing')
    .option('--check', 'check values, patterns, owners of paths and that no file is forgotten, and write nothing')
    .option('--force', 'pack what is unchanged since a release, too')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print the packages as one JSON document')
    .action(async (names: string[], options: DebsOptions, command) => {
      const context = contextOf(command);
      const only = names.length === 0 ? undefined : names;
      if (options.list === true || options.check === true) await list(context, only, options);
      else await pack(context, only, options);
    });
};

async function check(
  project: Project,
  only: readonly string[] | undefined,
  {
    version,
    choice,
    progress,
    signal,
  }: { version: string; choice: Choice } & Pick<CommandContext, 'progress' | 'signal'>,
) {
  const models = await modelDebs(project, { only, choice, env: process.env, progress, signal, check: true });
  return { ...(await checkDebs(project.config, only, { version, choice, models })), decided: undefined };
}

/** Of an option that may be given several times. */
function collect(value: string, values: string[]): string[] {
  return [...values, value];
}

async function pack(context: CommandContext, only: readonly string[] | undefined, options: DebsOptions): Promise<void> {
  const { progress, signal } = context;
  const project = await openProject(context);
  const directory =
    options.output === undefined
      ? await makeStateFolder(project.config.root, 'debs')
      : path.resolve(context.directory, options.output);
  const packed = await packProject(project, {
    only,
    choice: options,
    version: options.version ?? unreleased,
    directory,
    frozen: options.frozen ?? false,
    force: options.force ?? false,
    env: process.env,
    progress,
    signal,
  });
  if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, packages: packed })}\n`);
  else context.stdout.write(packed.length === 0 ? 'no packages: debs: is empty\n' : renderPacked(packed, context));
}

function renderPacked(packed: readonly PackedDeb[], context: CommandContext): string {
  return packed
    .map(({ file, size, sha256 }) => `${relative(context, file)}  ${formatBytes(size)}  sha256:${sha256}\n`)
    .join('');
}

async function list(
  context: CommandContext,
  only: readonly string[] | undefined,
  { version = unreleased, on, off, list: show = false, force = false }: DebsOptions,
): Promise<void> {
  const project = await openProject(context);
  const { config } = project;
  const { progress, signal } = context;
  const choice = { on, off };
  const plan = show
    ? await listProject(project, { only, choice, version, force, env: process.env, progress, signal })
    : await check(project, only, { version, choice, progress, signal });
  for (const warning of new Set(plan.planned.flatMap(({ warnings }) => warnings))) context.progress.warn(warning);
  const planned = plan.planned.map((deb) => ({
    name: deb.name,
    state: 'on',
    version: deb.version,
    architecture: deb.architecture,
    service: config.debs.find(({ name }) => name === deb.name)?.service ?? null,
    builder: 'imgbuild',
    // Null where those of a model are not here.
    size: bytesKnown(deb),
    files: filesKnown(deb),
    ...describeDeb(deb, plan.decided),
  }));
  const built = plan.built.flatMap(({ drafts }) =>
    drafts.map(({ name, version: own, architectures }) => ({
      name,
      state: 'on',
      version: own,
      architecture: String(architectures),
      service: null,
      builder: 'dpkg-buildpackage',
      size: null,
      files: null,
    })),
  );
  if (context.json) {
    const left = plan.off.map((each) => ({ name: each.name, state: 'off', why: each.why, version: each.version }));
    context.stdout.write(`${JSON.stringify({ schema: 1, packages: [...planned, ...built, ...left] })}\n`);
    return;
  }
  if (!show) {
    const count = planned.length + built.length;
    const said = `${count} ${count === 1 ? 'package' : 'packages'}: every pattern matches, every path has one owner`;
    context.stdout.write(`${said}\n`);
    return;
  }
  for (const { name, version: own, architecture, service, size, files, action, reused, reasons } of planned) {
    const runs = service === null ? '' : `, runs ${service}`;
    const amount =
      files === null || size === null
        ? 'the files of a model, which are not here'
        : `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${formatBytes(size)}`;
    context.stdout.write(`on   ${name} ${own} ${architecture}: ${amount}${runs}\n`);
    if (action === 'reuse') context.stdout.write(`     reuse: unchanged since ${reused}\n`);
    else if (action === 'pack') context.stdout.write(renderReasons(reasons));
    else context.stdout.write(`     pack: the image of ${service} is not saved as it is declared now\n`);
  }
  for (const { name, version: own, architecture } of built) {
    context.stdout.write(`on   ${name} ${own} ${architecture}: built by dpkg-buildpackage\n`);
  }
  const reasons = { configuration: 'in imgbuild.yaml', control: 'commented out in debian/control', call: '--off' };
  for (const { name, version: own, why } of plan.off) {
    context.stdout.write(`off  ${name} ${own}: ${reasons[why]}\n`);
  }
}

const reasonsShown = 20;

function renderReasons(reasons: readonly Reason[]): string {
  const more = reasons.length - reasonsShown;
  const texts = reasons.slice(0, reasonsShown).map((each) => `     pack: ${describeReason(each)}\n`);
  return texts.join('') + (more > 0 ? `     and ${more} more\n` : '');
}

function filesKnown({ entries, later }: PlannedDeb): string[] | null {
  const files = entries.filter(({ type }) => type !== 'directory').map((entry) => `/${entry.path}`);
  if (later === undefined) return files;
  const known = later.known?.map((file) => `/${later.folder}/${file.path}`);
  return known === undefined ? null : [...files, ...known].toSorted();
}

/** `action`: null where it is not known, since there is no image yet, or was not asked. */
function describeDeb(deb: PlannedDeb, decided: ListedDebs['decided'] | undefined) {
  const plan = decided?.get(deb)?.plan;
  if (plan === undefined) return { action: null, reused: null, reasons: [] };
  if (plan.action === 'make') return { action: 'pack' as const, reused: null, reasons: plan.reasons };
  return { action: 'reuse' as const, reused: plan.file.version, reasons: [] };
}

function relative(context: CommandContext, file: string): string {
  const short = path.relative(context.directory, file);
  return short.startsWith('..') ? file : short;
}
