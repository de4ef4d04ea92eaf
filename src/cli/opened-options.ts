import { Failure } from '../failure.ts';
import { changesBetween } from '../kconfig/assign.ts';
import type { Configuration } from '../kconfig/configuration.ts';
import { problemText, type Options } from '../kconfig/open.ts';
import { layersByOption, openProjectOptions, type ProjectOptions } from '../project/options.ts';
import { renderChanges } from '../report/options.ts';
import type { CommandContext } from './command.ts';

/** Opens the options and tells what is odd in them; of a .config that is `replaced` it does not matter. */
export async function openedOptions(context: CommandContext, replaced = false): Promise<ProjectOptions> {
  const project = await openProjectOptions(context);
  const { problems, files } = project.options;
  for (const problem of problems) {
    if (!replaced || problem.at.file !== files.config) context.progress.warn(problemText(problem));
  }
  return project;
}

/** The layers are told for orientation: a Dockerfile that cannot be read is no reason to show nothing. */
export async function layersOf(
  { config }: ProjectOptions,
  { progress }: CommandContext,
): Promise<Map<string, string[]>> {
  try {
    return await layersByOption(config);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    progress.warn(`which layers the options reach is not known: ${error.message}`);
    return new Map();
  }
}

/** `after`: as they are in the file now. */
export function tellSaved(
  { json, stdout, progress }: CommandContext,
  { files, text }: Options,
  before: Configuration,
  after: Configuration,
): void {
  const changed = changesBetween(before, after);
  if (json) {
    stdout.write(`${JSON.stringify({ schema: 1, file: files.config, changed })}\n`);
    return;
  }
  const outcome = text !== undefined && changed.length === 0 ? 'is as it was' : 'written';
  stdout.write(`${renderChanges(changed)}${files.config} ${outcome}\n`);
  if (changed.length > 0) progress.note('`imgbuild plan` says which layers that builds anew');
}
