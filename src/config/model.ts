import * as z from 'zod';
import type { Model } from './config.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

/** One entry of `models:`, without its name. */
export const modelSchema = z
  .strictObject({
    files: z
      .array(
        text(
          { description: "A file or glob, relative to the repository's root.", examples: ['models/ocr/*'] },
          (value) => parsePath(value),
        ),
      )
      .min(1)
      .meta({ description: 'What the model consists of.', examples: ['["models/ocr/*.onnx"]'] }),
    license: z
      .string()
      .meta({ description: 'SPDX identifier.', examples: ['Apache-2.0'] })
      .optional(),
    format: z
      .string()
      .meta({ description: 'Format of the weights.', examples: ['onnx'] })
      .optional(),
  })
  .meta({ description: 'A model, published as a ModelPack artifact.', examples: ['{ files: ["models/ocr/*"] }'] });

/** Throws a Wrong on anything that cannot be the last part of a repository's path. */
export function parseModelName(value: string): string {
  if (!/^[a-z0-9]+(?:[._-][a-z0-9]+)*$/.test(value)) {
    throw new Wrong('this is not a model name', 'write lower-case letters and digits, with single . _ - between them');
  }
  return value;
}

export function toModel(name: string, parsed: z.output<typeof modelSchema>): Model {
  const { files, license, format } = parsed;
  return { name, files, ...(license === undefined ? {} : { license }), ...(format === undefined ? {} : { format }) };
}
