import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { renderError, exitCodeOf, styleFor } from '../report/failure.ts';
import { streamProgress } from '../report/progress.ts';
import { addCommands, commandIn } from './commands.ts';
import type { CommandContext } from './command.ts';

/** The version of the package that this file lies in, as a bundle (dist/) or as a source (src/cli/). */
function version(): string {
  for (const up of ['..', '../..']) {
    const file = path.resolve(import.meta.dirname, up, 'package.json');
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return 'unknown';
}

const style = styleFor(process.stderr, process.env);
const progress = streamProgress(process.stderr, style);
const interrupt = new AbortController();

function contextOf(command: Command): CommandContext {
  const options = command.optsWithGlobals<{ directory?: string; file?: string; json?: boolean }>();
  const directory = path.resolve(options.directory ?? '.');
  return {
    directory,
    file: options.file === undefined ? undefined : path.resolve(directory, options.file),
    json: options.json === true,
    stdout: process.stdout,
    stderr: process.stderr,
    progress,
    signal: interrupt.signal,
  };
}

const program = new Command('imgbuild')
  .description('Layered image releases for AI services: cheap, small and explainable.')
  .option('-C, --directory <dir>', 'run as if started in this folder')
  .option('-f, --file <file>', 'the configuration file (default: imgbuild.yaml here or in a folder above)')
  .addOption(new Option('--json', 'print one JSON document on standard output').hideHelp())
  .configureHelp({ showGlobalOptions: true })
  .showHelpAfterError('(run with --help for the commands and options)')
  .showSuggestionAfterError(true)
  .exitOverride();
const command = commandIn(process.argv.slice(2));
// Commands have a --version of their own, which must reach them.
if (command === undefined) program.version(version());

// The first Ctrl-C lets the command put things right; a second one does not wait.
for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  process.on(signal, () => {
    if (interrupt.signal.aborted) process.exit(128 + number);
    process.exitCode = 128 + number;
    interrupt.abort(new Error(`stopped by ${signal}`));
  });
}
// A reader that closes early (`imgbuild plan | head`) is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

async function runCommand(): Promise<void> {
  try {
    await addCommands(program, contextOf, command);
    await program.parseAsync();
  } catch (error) {
    progress.close();
    if (error instanceof CommanderError) {
      // Commander has written its message; 0 is --help and --version.
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else if (interrupt.signal.aborted) {
      process.stderr.write('stopped; nothing is left half-written\n');
      process.exitCode ??= 130;
    } else {
      process.stderr.write(`${renderError(error, style)}\n`);
      if (process.env.IMGBUILD_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
      process.exitCode = exitCodeOf(error);
    }
  } finally {
    progress.close();
  }
}

void runCommand();
