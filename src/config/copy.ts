import * as z from 'zod';
import { parsePath } from './path.ts';
import { text } from './wrong.ts';

/** An entry of `copy:`. */
export const copyEntry = z
  .strictObject({
    src: text({ description: "A file or folder, relative to the repository's root.", examples: ['common'] }, (value) =>
      parsePath(value),
    ),
    dst: text(
      {
        description: 'Where it appears in the context; without `merge`, nothing may be there yet.',
        examples: ['lib/common'],
      },
      (value) => parsePath(value, 'the context'),
    ),
    merge: z
      .boolean()
      .meta({
        description:
          'Whether it goes into folders that are there, and over files that git does not track, as `cp -r` would.',
        examples: ['true'],
      })
      .optional(),
  })
  .superRefine(({ dst, merge }, context) => {
    if (dst !== '.' || merge) return;
    context.addIssue({
      code: 'custom',
      path: ['dst'],
      message: 'this is the context itself',
      params: { fix: 'write the name that the copy gets in it, or merge: true' },
    });
  })
  .transform(({ merge, ...entry }) => (merge ? { ...entry, merge } : entry))
  .meta({
    description: 'A file or folder from elsewhere in the repository.',
    examples: ['{ src: common, dst: lib/common }'],
  });
