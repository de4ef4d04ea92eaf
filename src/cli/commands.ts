import type { Command } from 'commander';
import type { AddCommand, CommandContext } from './command.ts';

/** In the order of the help page. Each is loaded only when it runs: `plan` must not wait for the code of `ota`. */
const commands: Record<string, () => Promise<AddCommand>> = {
  init: async () => (await import('./init.ts')).addInit,
  import: async () => (await import('./import.ts')).addImport,
  plan: async () => (await import('./plan.ts')).addPlan,
  build: async () => (await import('./build.ts')).addBuild,
  push: async () => (await import('./push.ts')).addPush,
  debs: async () => (await import('./debs.ts')).addDebs,
  models: async () => (await import('./models.ts')).addModels,
  apt: async () => (await import('./apt.ts')).addApt,
  ota: async () => (await import('./ota.ts')).addOta,
  release: async () => (await import('./release.ts')).addRelease,
  yank: async () => (await import('./yank.ts')).addYank,
  promote: async () => (await import('./promote.ts')).addPromote,
  store: async () => (await import('./store.ts')).addStore,
  options: async () => (await import('./options.ts')).addOptions,
  pai: async () => (await import('./pai.ts')).addPai,
  lock: async () => (await import('./lock.ts')).addLock,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
};

/** The command that is called; undefined where there is none. Values of global options are no commands. */
export function commandIn(args: readonly string[]): string | undefined {
  const valued = ['-C', '--directory', '-f', '--file'];
  return args.find((arg, index) => !arg.startsWith('-') && !valued.includes(args[index - 1] ?? ''));
}

/** Adds the command of this name, or all where there is no such one (help, a mistyped name). */
export async function addCommands(
  program: Command,
  contextOf: (command: Command) => CommandContext,
  named: string | undefined,
): Promise<void> {
  const known = named !== undefined && Object.hasOwn(commands, named);
  const wanted = known ? [commands[named]!] : Object.values(commands);
  for (const load of wanted) (await load())(program, contextOf);
}
