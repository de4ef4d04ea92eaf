import * as z from 'zod';
import { parseReference } from '../oci/reference.ts';
import { parsePath } from './path.ts';
import { key, text, Wrong } from './wrong.ts';

/** `envd:` of a layer: a build file, and its function. */
export interface EnvdSource {
  file: string;
  function: string;
}

/** A layer that is made from a build file. */
export interface EnvdLayerSource extends EnvdSource {
  name: string;
  order: 'written' | 'envd-v0' | 'envd-v1';
}

/** `FILE[:FUNCTION]`. Throws a Wrong. */
export function parseEnvdSource(value: string): EnvdSource {
  const colon = value.lastIndexOf(':');
  const name = colon < 0 ? 'build' : value.slice(colon + 1);
  if (!/^[A-Za-z_]\w*$/.test(name)) {
    throw new Wrong('what follows the colon is not the name of a function', 'write build.envd:serve, or build.envd');
  }
  const file = parsePath(colon < 0 ? value : value.slice(0, colon));
  if (file === '.') throw new Wrong('this is the root itself', 'write the path of a build file: build.envd');
  return { file, function: name };
}

export const envdSource = text(
  {
    description:
      "A build file of envd, FILE[:FUNCTION], relative to the repository's root: the layer, and what it stands on, are made from it. The context is its folder where none is given.",
    examples: ['build.envd'],
  },
  parseEnvdSource,
);

export const envdOrder = z.enum(['written', 'envd-v0', 'envd-v1']).meta({
  description: 'With envd: whether its steps are taken as written, or in the order of that version of envd.',
  examples: ['envd-v1'],
});

/** `envd:` at the top. */
export const envdSchema = z
  .strictObject({
    images: z
      .record(
        key(
          { description: 'As base(os = …) names it; micromamba: where conda environments are made with.' },
          (value) => {
            if (value === '') throw new Wrong('the name is empty', 'write it as base(os = …) does');
          },
        ),
        text({ description: "An image's reference.", examples: ['"debian:12"'] }, (value) => {
          try {
            parseReference(value);
          } catch (error) {
            throw new Wrong((error as Error).message, 'write it as a FROM does, as in "debian:12"');
          }
          return value;
        }),
      )
      .meta({
        description: 'Images by the names that build files give them.',
        examples: ['{ aiges_cpu: "acme/aiges:3" }'],
      })
      .default({}),
  })
  .meta({
    description: 'What the build files of envd mean here.',
    examples: ['{ images: { aiges_cpu: "acme/aiges:3" } }'],
  });
