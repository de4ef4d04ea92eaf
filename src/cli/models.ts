import { readModels } from '../model/read-models.ts';
import { openProject } from '../project/open.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand } from './command.ts';

export const addModels: AddCommand = (program, contextOf) => {
  program
    .command('models')
    .description('find and hash the files of the models that the configuration names')
    .argument('[models...]', 'these models (default: all)')
    .option('--json', 'print the models as one JSON document')
    .action(async (names: string[], _options, command) => {
      const context = contextOf(command);
      const { config } = await openProject(context);
      const only = names.length === 0 ? undefined : names;
      const models = await readModels({ config, only, progress: context.progress, signal: context.signal });
      if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, models })}\n`);
      else if (models.length === 0) context.stdout.write('no models: models: is empty\n');
      for (const { name, size, files } of context.json ? [] : models) {
        context.stdout.write(
          `${name}: ${formatBytes(size)} in ${files.length} ${files.length === 1 ? 'file' : 'files'}\n`,
        );
        for (const file of files)
          context.stdout.write(`  sha256:${file.sha256}  ${formatBytes(file.size)}  ${file.path}\n`);
      }
    });
};
