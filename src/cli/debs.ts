import path from 'node:path';
import { makeStateFolder } from '../context/state-folder.ts';
import { checkDebs } from '../deb/check.ts';
import type { PackedDeb } from '../deb/pack-debs.ts';
import { packProject } from '../project/debs.ts';
import { openProject } from '../project/open.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface DebsOptions {
  output?: string;
  list?: boolean;
  check?: boolean;
  frozen?: boolean;
}

/** Sorts before every release. */
const unreleased = '0.0.0-dev';

export const addDebs: AddCommand = (program, contextOf) => {
  program
    .command('debs')
    .description('pack the Debian packages that the configuration names')
    .argument('[packages...]', 'these packages (default: all)')
    .option('-o, --output <dir>', 'where the packages go (default: .imgbuild/debs)')
    .option('--version <version>', `the release that they belong to (default: ${unreleased})`)
    .option('--list', 'say what would be packed, and write nothing')
    .option('--check', 'check values, patterns and owners of paths, and write nothing')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print the packages as one JSON document')
    .action(async (names: string[], options: DebsOptions & { version?: string }, command) => {
      const context = contextOf(command);
      const only = names.length === 0 ? undefined : names;
      if (options.list === true || options.check === true) await list(context, only, options.list === true);
      else await pack(context, only, options.version ?? unreleased, options);
    });
};

async function pack(
  context: CommandContext,
  only: readonly string[] | undefined,
  version: string,
  options: DebsOptions,
): Promise<void> {
  const { progress, signal } = context;
  const project = await openProject(context);
  const directory =
    options.output === undefined
      ? await makeStateFolder(project.config.root, 'debs')
      : path.resolve(context.directory, options.output);
  const frozen = options.frozen ?? false;
  const packed = await packProject(project, { only, version, directory, frozen, env: process.env, progress, signal });
  if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, packages: packed })}\n`);
  else context.stdout.write(packed.length === 0 ? 'no packages: debs: is empty\n' : renderPacked(packed, context));
}

function renderPacked(packed: readonly PackedDeb[], context: CommandContext): string {
  return packed
    .map(({ file, size, sha256 }) => `${relative(context, file)}  ${formatBytes(size)}  sha256:${sha256}\n`)
    .join('');
}

async function list(context: CommandContext, only: readonly string[] | undefined, show: boolean): Promise<void> {
  const { config } = await openProject(context);
  const planned = await checkDebs(config, only);
  for (const warning of new Set(planned.flatMap(({ warnings }) => warnings))) context.progress.warn(warning);
  const packages = planned.map(({ name, architecture, size, entries }) => ({
    name,
    architecture,
    service: config.debs.find((deb) => deb.name === name)?.service ?? null,
    size,
    files: entries.filter(({ type }) => type !== 'directory').map(({ path: file }) => `/${file}`),
  }));
  if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, packages })}\n`);
  else if (show) {
    for (const { name, architecture, service, size, files } of packages) {
      const runs = service === null ? '' : `, runs ${service}`;
      context.stdout.write(`${name} ${architecture}: ${files.length} files, ${formatBytes(size)}${runs}\n`);
    }
  } else
    context.stdout.write(
      `${packages.length} ${packages.length === 1 ? 'package' : 'packages'}: every pattern matches, every path has one owner\n`,
    );
}

function relative(context: CommandContext, file: string): string {
  const short = path.relative(context.directory, file);
  return short.startsWith('..') ? file : short;
}
