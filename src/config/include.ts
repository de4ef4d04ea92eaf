import * as z from 'zod';
import { parsePackagesFolder } from './packages.ts';
import { parsePath } from './path.ts';
import { prepareSchema } from './prepare.ts';
import { parseVariable, variable } from './variable.ts';
import { key, text } from './wrong.ts';

const folder = text(
  { description: "The tree's folder, relative to the repository's root.", examples: ['pai-management'] },
  (value) => parsePath(value),
);

const paiTree = z
  .strictObject({
    path: folder,
    skip: z
      .array(z.string().min(1))
      .meta({ description: 'Components that are left out.', examples: ['[drivers]'] })
      .default([]),
    copy: z
      .enum(['cp', 'into'])
      .meta({
        description:
          'What an entry of a copy-list means whose dst is not there: `cp`: it becomes the copy, as `cp -r` has it; `into`: it is made, and the copy goes into it, as paictl.py did. Default: what the Dockerfiles expect.',
        examples: ['into'],
      })
      .optional(),
    hooks: z
      .record(z.string().min(1), prepareSchema.omit({ run: true, after: true }))
      .meta({
        description: 'By component: what its build-pre.sh and build-post.sh read and make.',
        examples: ['{ rest-server: { inputs: [version], outputs: [version] } }'],
      })
      .default({}),
  })
  .meta({ description: 'A tree of OpenPAI.', examples: ['{ path: pai-management }'] });

const ascendTree = z
  .strictObject({
    path: folder,
    packages: text(
      {
        description:
          'The folder of the installers that are fetched from a private address, as `packages` of a layer has it. Default: the folder of the script.',
        examples: ['packages'],
      },
      parsePackagesFolder,
    ).optional(),
    skip: z
      .array(z.string().min(1))
      .meta({ description: 'Stages that are left out, of the Dockerfiles that have them.', examples: ['[miniconda]'] })
      .default([]),
    variables: z
      .record(key({ description: "A variable's name.", pattern: variable.source }, parseVariable), z.string())
      .meta({
        description: 'What the scripts take from their environment, or find out when they run.',
        examples: ['{ VERSION: "8.0" }'],
      })
      .default({}),
  })
  .meta({
    description: 'A tree of staged Dockerfiles, as Ascend has them.',
    examples: ['{ path: ., skip: [miniconda] }'],
  });

/** `include:` at the top. */
export const includeSchema = z
  .strictObject({
    pai: z
      .union([folder.transform((path) => ({ path, skip: [], hooks: {} }) as z.output<typeof paiTree>), paiTree])
      .optional(),
    ccai: folder
      .meta({ description: 'The folder of a release of CCAI, or of its sources.', examples: ['.'] })
      .optional(),
    ascend: z
      .union([
        folder.transform((path) => ({ path, skip: [], variables: {} }) as z.output<typeof ascendTree>),
        ascendTree,
      ])
      .optional(),
  })
  .meta({
    description: "Trees of other systems that are used as they are: their files stay the layers' source.",
    examples: ['{ pai: ./pai-management }'],
  });

export type Include = z.output<typeof includeSchema>;
