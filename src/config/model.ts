import * as z from 'zod';
import type { Model, ModelConvert, ModelTarget } from './config.ts';
import { splitSize } from './deb.ts';
import { parseModelPath } from './model-path.ts';
import { modelSourceSchema } from './model-source.ts';
import { parsePath } from './path.ts';
import { text, Wrong } from './wrong.ts';

const targets = ['modelpack', 'deb'] as const satisfies ModelTarget[];

const placeholder = /\$\{([^}]*)\}/g;

const convert = z
  .strictObject({
    command: z
      .array(
        text(
          {
            description:
              'The program, then its arguments, one word each; ${source} is the folder of the files and sources, ${output} the folder for the outcome.',
            examples: ['python3'],
          },
          parseWord,
        ),
      )
      .min(1)
      .meta({
        description:
          'The program and its arguments; no shell. ${source}: the folder with the files and sources; ${output}: where the outcome goes.',
        examples: ['[python3, tools/to_ir.py, "${source}/yolo.onnx", "${output}"]'],
      }),
    inputs: z
      .array(
        text(
          { description: "A file, folder or glob, relative to the repository's root.", examples: ['tools/*.py'] },
          (value) => parsePath(value),
        ),
      )
      .meta({
        description: 'What else it reads; it runs in a folder that holds these alone.',
        examples: ['[tools/to_ir.py]'],
      })
      .default([]),
    outputs: z
      .array(
        text({ description: 'A file below ${output}.', examples: ['yolo.xml'] }, (value) =>
          parseModelPath(value, 'the output folder'),
        ),
      )
      .min(1)
      .meta({ description: 'The files that it makes: they are the model.', examples: ['[yolo.xml, yolo.bin]'] }),
    version: z
      .string()
      .meta({ description: 'Of the programs that it uses: another one converts anew.', examples: ['"2024.1"'] })
      .optional(),
  })
  .meta({
    description: 'Makes the model from files and sources.',
    examples: ['{ command: [cp, "${source}/a.onnx", "${output}"], outputs: [a.onnx] }'],
  });

/** One entry of `models:`, without its name. */
export const modelSchema = z
  .strictObject({
    files: z
      .array(
        text(
          { description: "A file, folder or glob, relative to the repository's root.", examples: ['models/ocr/*'] },
          (value) => parsePath(value),
        ),
      )
      .meta({ description: 'What the model has in the repository.', examples: ['["models/ocr/*.onnx"]'] })
      .default([]),
    source: z
      .union([modelSourceSchema, z.array(modelSourceSchema).min(1)])
      .meta({
        description: 'What the model has elsewhere: one source, or a list.',
        examples: ['{ url: https://example.com/yolo.onnx, sha256: <64 hex digits> }'],
      })
      .optional(),
    convert: convert.optional(),
    license: z
      .string()
      .min(1)
      .meta({ description: 'SPDX identifier.', examples: ['Apache-2.0'] })
      .optional(),
    format: z
      .string()
      .min(1)
      .meta({ description: 'Format of the weights.', examples: ['onnx'] })
      .optional(),
    maintainer: z
      .string()
      .min(1)
      .meta({
        description: 'Of its Debian package: NAME <ADDRESS>. Default: that of the first package of `debs`.',
        examples: ['CCAI team <team@example.com>'],
      })
      .optional(),
    split: splitSize.optional(),
    targets: z
      .array(z.enum(targets))
      .min(1)
      .meta({
        description: 'What is made of it: an artifact in the store (`models --push`), a Debian package.',
        examples: ['[modelpack]'],
      })
      .default(['modelpack']),
  })
  .superRefine(({ files, source, maintainer, split, targets: chosen }, context) => {
    const isDeb = chosen.includes('deb');
    const ofPackages = { maintainer: 'has a maintainer', split: 'is split' };
    for (const [key, said] of Object.entries(ofPackages)) {
      if (isDeb || { maintainer, split }[key] === undefined) continue;
      context.addIssue({
        code: 'custom',
        path: [key],
        message: `only a Debian package ${said}`,
        params: { fix: 'write targets: [modelpack, deb], or remove it' },
      });
    }
    if (files.length > 0 || source !== undefined) return;
    context.addIssue({
      code: 'custom',
      message: 'the model consists of nothing',
      params: { fix: 'write files: [GLOB] for what is in the repository, or source: { url: …, sha256: … }' },
    });
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
  const { files, source, convert: made, license, format, maintainer, split, targets: chosen } = parsed;
  const sources = source === undefined ? [] : Array.isArray(source) ? source : [source];
  return {
    name,
    files,
    sources,
    targets: [...new Set(chosen)],
    ...(made === undefined ? {} : { convert: toConvert(made) }),
    ...(license === undefined ? {} : { license }),
    ...(format === undefined ? {} : { format }),
    ...(maintainer === undefined ? {} : { maintainer }),
    ...(split === undefined ? {} : { split }),
  };
}

function toConvert({ version, ...rest }: z.output<typeof convert>): ModelConvert {
  return version === undefined ? rest : { ...rest, version };
}

function parseWord(value: string): string {
  const unknown = [...value.matchAll(placeholder)].find(([, name]) => name !== 'source' && name !== 'output');
  if (unknown !== undefined) throw new Wrong(`${unknown[0]} stands for nothing here`, 'write ${source} or ${output}');
  if (value.includes('\0')) throw new Wrong('the word contains a NUL character', 'write it without');
  return value;
}
