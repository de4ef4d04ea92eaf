import { posix, relative, resolve, sep } from 'node:path';
import { Failure } from '../failure.ts';
import { assign } from '../kconfig/assign.ts';
import { Configuration } from '../kconfig/configuration.ts';
import { problemText, readValues, type Options } from '../kconfig/open.ts';
import { saveText } from '../kconfig/save.ts';
import { configText, minimalText } from '../kconfig/write-config.ts';
import { styleFor } from '../report/failure.ts';
import { optionsJson, renderOptions } from '../report/options.ts';
import type { AddCommand, CommandContext } from './command.ts';
import { layersOf, openedOptions, tellSaved } from './opened-options.ts';
import { addOptionsMenu } from './options-menu.ts';

export const addOptions: AddCommand = (program, contextOf) => {
  const options = program
    .command('options')
    .description('the options that Kconfig describes: show and set them, in a menu or one by one');

  addOptionsMenu(options, contextOf);

  options
    .command('list')
    .description('list the options: value, prompt, and the layers that each reaches')
    .option('--all', 'also those that cannot be set now')
    .option('--json', 'print the options as one JSON document')
    .action(async ({ all }: { all?: boolean }, command) => {
      const context = contextOf(command);
      const project = await openedOptions(context);
      const layers = await layersOf(project, context);
      if (context.json) context.stdout.write(`${JSON.stringify(optionsJson(project.options, layers))}\n`);
      else {
        const style = styleFor(context.stdout, process.env);
        context.stdout.write(renderOptions(project.options, layers, all ?? false, style));
      }
    });

  options
    .command('set')
    .description('set options, all or none of those that are named, and write .config')
    .argument('<name=value...>', 'as in TENSORFLOW=y')
    .option('--json', 'print what changed as one JSON document')
    .action(async (assignments: string[], _options, command) => {
      const context = contextOf(command);
      const { options: before } = await openedOptions(context);
      await save(context, before, assign(before.configuration, assignments));
    });

  options
    .command('defconfig')
    .description('write .config anew: from a file of values, else from the defaults')
    .argument('[file]', 'such a file (default: defconfig beside Kconfig, where there is one)')
    .option('--json', 'print what changed as one JSON document')
    .action(async (file: string | undefined, _options, command) => {
      const context = contextOf(command);
      const { options: before } = await openedOptions(context, true);
      const values = readDefaults(before, file === undefined ? undefined : belowRoot(before, context, file));
      for (const problem of values.problems) context.progress.warn(problemText(problem));
      await save(context, { ...before, unknown: values.unknown }, values.configuration, before.configuration);
    });

  options
    .command('savedefconfig')
    .description('write the options that are not as they are by default into a small file')
    .argument('[file]', 'the file (default: defconfig beside Kconfig)')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (file: string | undefined, _options, command) => {
      const context = contextOf(command);
      const { options: now } = await openedOptions(context);
      const path = file === undefined ? besideKconfig(now) : belowRoot(now, context, file);
      const text = minimalText(now.configuration, now.unknown);
      await saveText(now.files.root, path, text);
      const lines = text.split('\n').filter((line) => /^(# )?CONFIG_/.test(line)).length;
      if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, file: path, options: lines })}\n`);
      else context.stdout.write(`${path} written: ${lines} ${lines === 1 ? 'option' : 'options'}\n`);
    });
};

async function save(
  context: CommandContext,
  options: Options,
  after: Configuration,
  before = options.configuration,
): Promise<void> {
  await saveText(options.files.root, options.files.config, configText(after, options.unknown));
  tellSaved(context, options, before, after);
}

function readDefaults(
  options: Options,
  path: string | undefined,
): Pick<Options, 'configuration' | 'unknown' | 'problems'> {
  if (path !== undefined) return readValues(options, path);
  try {
    return readValues(options, besideKconfig(options));
  } catch (error) {
    if (!(error instanceof Failure) || error.because !== 'there is no such file') throw error;
    return { configuration: new Configuration(options.configuration.kconfig), unknown: [], problems: [] };
  }
}

function besideKconfig({ files }: Options): string {
  return posix.join(posix.dirname(files.kconfig), 'defconfig');
}

/** As typed in the current folder. */
function belowRoot({ files }: Options, { directory }: CommandContext, file: string): string {
  const path = relative(files.root, resolve(directory, file)).split(sep).join('/');
  if (path !== '' && !path.startsWith('../') && path !== '..') return path;
  throw new Failure({
    doing: `opening ${file}`,
    because: "it is outside the repository's root",
    fix: 'write a path below the folder of imgbuild.yaml',
    kind: 'input',
  });
}
