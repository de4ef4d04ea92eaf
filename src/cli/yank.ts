import { openProject } from '../project/open.ts';
import { yankRelease } from '../release/release-store.ts';
import { parseVersion } from '../release/version.ts';
import type { AddCommand } from './command.ts';

export const addYank: AddCommand = (program, contextOf) => {
  program
    .command('yank')
    .description('mark a release as one that nobody should move to; it stays where it is')
    .argument('<version>', 'with or without v')
    .option('--json', 'print the outcome as one JSON document')
    .action(async (text: string, _options, command) => {
      const { json, stdout, ...place } = contextOf(command);
      const version = parseVersion(text);
      const { store } = await openProject(place);
      const outcome = (await yankRelease(store, version)) ? 'yanked' : 'unchanged';
      if (json) stdout.write(`${JSON.stringify({ schema: 1, version, outcome })}\n`);
      else if (outcome === 'unchanged') stdout.write(`${version} was yanked before\n`);
      else stdout.write(`${version} is yanked; its tags stay, also shorter ones and latest where they are its own\n`);
    });
};
