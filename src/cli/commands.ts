import type { Command } from 'commander';
import type { AddCommand, CommandContext } from './command.ts';

/** In the order of the help page. Each is loaded only when it runs: `plan` must not wait for the code of `ota`. */
const commands: Record<string, () => Promise<AddCommand>> = {
  init: async () => (await import('./init.ts')).addInit,
  plan: async () => (await import('./plan.ts')).addPlan,
  build: async () => (await import('./build.ts')).addBuild,
  push: async () => (await import('./push.ts')).addPush,
  debs: async () => (await import('./debs.ts')).addDebs,
  models: async () => (await import('./models.ts')).addModels,
  ota: async () => (await import('./ota.ts')).addOta,
  release: async () => (await import('./release.ts')).addRelease,
  yank: async () => (await import('./yank.ts')).addYank,
  store: async () => (await import('./store.ts')).addStore,
  lock: async () => (await import('./lock.ts')).addLock,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
};

/** Adds the command that `args` name, or all of them where none is named (help, a mistyped name). */
export async function addCommands(
  program: Command,
  contextOf: (command: Command) => CommandContext,
  args: readonly string[],
): Promise<void> {
  const named = args.find((argument) => argument in commands);
  const wanted = named === undefined || args[0] === 'help' ? Object.values(commands) : [commands[named]!];
  for (const load of wanted) (await load())(program, contextOf);
}
