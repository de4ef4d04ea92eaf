import * as z from 'zod';
import type { SecretSource } from './config.ts';
import { parseVariable } from './variable.ts';
import { text, Wrong } from './wrong.ts';

/** An entry of `secrets:`. */
export const secret = z
  .strictObject({
    id: text({ description: 'The id that RUN --mount=type=secret names.', examples: ['pip'] }, (value) => {
      if (!/^[A-Za-z0-9_.-]+$/.test(value)) throw new Wrong('this is not a secret id', 'write letters, digits, _ . -');
      return value;
    }),
    file: z
      .string()
      .min(1)
      .meta({
        description: "A file that holds it: absolute, or relative to the repository's root.",
        examples: ['pip.conf'],
      })
      .optional(),
    env: text(
      { description: 'An environment variable that holds it.', examples: ['PIP_TOKEN'] },
      parseVariable,
    ).optional(),
  })
  .transform(({ id, file, env }, context): SecretSource => {
    if (file !== undefined && env === undefined) return { id, from: 'file', path: file };
    if (env !== undefined && file === undefined) return { id, from: 'env', name: env };
    context.issues.push({
      code: 'custom',
      input: id,
      message: file === undefined ? 'the secret comes from nowhere' : 'the secret comes from two places',
      params: { fix: 'write either file: PATH or env: NAME' },
    });
    return z.NEVER;
  })
  .meta({
    description: 'A secret; its value is in no fingerprint and no image.',
    examples: ['{ id: pip, env: PIP_TOKEN }'],
  });
