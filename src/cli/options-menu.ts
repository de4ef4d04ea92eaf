import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { Menu } from '../kconfig/menu/menu.ts';
import { askQuestions } from '../kconfig/menu/questions.ts';
import { runMenu } from '../kconfig/menu/run.ts';
import type { TerminalStreams } from '../kconfig/menu/terminal.ts';
import { saveText } from '../kconfig/save.ts';
import { configText } from '../kconfig/write-config.ts';
import type { CommandContext } from './command.ts';
import { layersOf, openedOptions, tellSaved } from './opened-options.ts';

export function addOptionsMenu(options: Command, contextOf: (command: Command) => CommandContext): void {
  options
    .command('menu')
    .description('set the options in a menu; by questions where the terminal can show none')
    .option('--json', 'print what changed as one JSON document')
    .action(async (_options, command) => {
      const context = contextOf(command);
      const { signal } = context;
      const streams = terminalOf(context);
      const project = await openedOptions(context);
      const { files, configuration: before, unknown, text } = project.options;
      const layers = await layersOf(project, context);
      const configuration = before.copy();
      let written = text ?? '';
      let saved = before;
      const now = () => configText(configuration, unknown);
      const isSaved = () => now() === written;
      const save = async () => {
        await saveText(files.root, files.config, now());
        written = now();
        saved = configuration.copy();
      };
      if (canShowScreens(process.env)) {
        const menu = new Menu(configuration, layers, isSaved);
        await runMenu({ menu, streams, file: files.config, save, signal });
      } else if (await askQuestions({ configuration, layers, ...streams, signal }, files.config, isSaved)) await save();
      if (saved !== before || context.json) tellSaved(context, project.options, before, saved);
      else context.stdout.write(`${files.config} is as it was\n`);
    });
}

function canShowScreens({ TERM }: NodeJS.ProcessEnv): boolean {
  return TERM !== undefined && !['', 'dumb', 'unknown'].includes(TERM);
}

/** The menu is shown on standard error, so that standard output has the outcome alone. Throws a Failure. */
function terminalOf({ stdout, stderr }: CommandContext): TerminalStreams {
  const output = [stderr, stdout].find(({ isTTY }) => isTTY);
  if (process.stdin.isTTY && output) return { input: process.stdin, output: output as NodeJS.WriteStream };
  throw new Failure({
    doing: 'showing the menu',
    because: process.stdin.isTTY ? 'there is no terminal to show it on' : 'standard input is no terminal',
    fix: 'use `imgbuild options list` and `imgbuild options set NAME=value`',
    kind: 'input',
  });
}
