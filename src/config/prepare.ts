import * as z from 'zod';
import { parsePath } from './path.ts';
import { parseVariable } from './variable.ts';
import { key, text, Wrong } from './wrong.ts';

const fileOf = (of?: string) => (value: string) => {
  const path = parsePath(value, of);
  if (path === '.') throw new Wrong('this is the whole folder', 'name what is in it');
  return path;
};

const scripts = z.array(text({ description: 'A script.', examples: ['service/build/build-pre.sh'] }, fileOf()));

/** `prepare:` of a layer, and of a component that is included. */
export const prepareSchema = z
  .strictObject({
    run: scripts.meta({ description: "Scripts, relative to the repository's root, in their order." }).default([]),
    inputs: z
      .array(text({ description: 'A file or folder.', examples: ['version'] }, fileOf()))
      .meta({ description: "What they read, relative to the repository's root." })
      .default([]),
    outputs: z
      .array(text({ description: 'A file or folder.', examples: ['version'] }, fileOf('the context')))
      .meta({ description: 'What they make, relative to the context.' })
      .default([]),
    env: z
      .array(key({ description: 'A variable.' }, parseVariable))
      .meta({ description: 'Variables of the environment whose values count.', examples: ['[ATTACH_COMMIT_ID]'] })
      .default([]),
    after: scripts.meta({ description: 'Scripts that are run after the build, where those were.' }).default([]),
  })
  .meta({
    description: 'Scripts that make files of the context. They run beside a copy of their inputs, when those changed.',
    examples: ['{ run: [service/build/build-pre.sh], inputs: [version], outputs: [version] }'],
  });
