import { parse } from 'yaml';
import * as z from 'zod';
import { parsePlatform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { parseBaseSource } from './base-source.ts';
import { copyEntry } from './copy.ts';
import { debSchema, parseDebName } from './deb.ts';
import { envdOrder, envdSchema, envdSource } from './envd.ts';
import { parseImage } from './image.ts';
import { includeSchema } from './include.ts';
import { modelSchema, parseModelName } from './model.ts';
import { optionsSchema } from './options.ts';
import { otaSchema } from './ota.ts';
import { parsePackagesAddress, parsePackagesFolder } from './packages.ts';
import { parsePath } from './path.ts';
import { prepareSchema } from './prepare.ts';
import { secret } from './secret.ts';
import { defaultStoreText, parseStoreAddress } from './store-address.ts';
import { parseVariable, variable } from './variable.ts';
import { key, text, Wrong } from './wrong.ts';

const name = /^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/;

const alias = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

function parseAlias(value: string): void {
  if (!alias.test(value)) throw new Wrong('this is not a name', 'write letters, digits and . _ -');
}

/** Throws a Wrong. Layers, and the whole: a part of file names, tags and repositories. */
function parseName(value: string): string {
  if (!name.test(value) || value.length > 64) {
    throw new Wrong(
      'this is not a name',
      'write at most 64 lower-case letters and digits, a letter first, with single . _ - between them, as in ccai-demo',
    );
  }
  return value;
}

const args = (whose: string) =>
  z
    .record(key({ description: "An ARG's name.", pattern: variable.source }, parseVariable), z.string())
    .meta({ description: `Build args ${whose}.`, examples: ['{ WORKERS: "4" }'] });

const platforms = z.array(
  text({ description: 'OS/ARCH or OS/ARCH/VARIANT', examples: ['linux/arm64'] }, (value) => {
    try {
      return parsePlatform(value);
    } catch {
      throw new Wrong('this is not a platform', 'write OS/ARCH or OS/ARCH/VARIANT, as in linux/amd64');
    }
  }),
);

export const layerSchema = z
  .strictObject({
    context: text(
      {
        description:
          "The folder that the build sees, relative to the repository's root. With `envd`, by default the folder of the build file; required otherwise.",
        examples: ['docker/base'],
      },
      (value) => parsePath(value),
    ).optional(),
    dockerfile: text(
      {
        description: "Relative to the repository's root. Default: Dockerfile in the context.",
        examples: ['docker/base/Dockerfile'],
      },
      (value) => parsePath(value),
    ).optional(),
    envd: envdSource.optional(),
    order: envdOrder.optional(),
    target: z
      .string()
      .min(1)
      .meta({ description: 'The stage to build. Default: the last.', examples: ['runtime'] })
      .optional(),
    skip: z
      .array(z.string().min(1))
      .meta({
        description: 'Stages that are left out: what is FROM one is FROM what that is FROM. The file stays as it is.',
        examples: ['[miniconda]'],
      })
      .default([]),
    packages: text(
      {
        description:
          "A folder of large files outside the context, absolute or relative to the repository's root: what RUN fetches from a private address, and `from=packages`.",
        examples: ['packages'],
      },
      parsePackagesFolder,
    ).optional(),
    packagesAt: z
      .array(text({ description: 'IP[:PORT]', examples: ['172.17.0.1:3000'] }, parsePackagesAddress))
      .meta({
        description: 'The addresses at which Dockerfiles expect `packages`. Default: every private IPv4 address.',
        examples: ['["172.17.0.1:3000"]'],
      })
      .default([]),
    aliases: z
      .array(key({ description: 'Another name of the layer.', pattern: alias.source }, parseAlias))
      .meta({
        description: 'Other names by which commands know the layer.',
        examples: ['[openvino_image]'],
      })
      .default([]),
    image: text(
      {
        description:
          "[PATH/]NAME[:TAG], lower case, without a registry: what other Dockerfiles' FROM names. Default: the layer's name.",
        examples: ['service_runtime_base:ubuntu_20.04'],
      },
      parseImage,
    ).optional(),
    args: args("of this layer; they win over the file's").default({}),
    copy: z.array(copyEntry).meta({ description: 'Added to the context; never written into the tree.' }).default([]),
    prepare: prepareSchema.optional(),
    git: z
      .boolean()
      .meta({ description: 'Whether .git is part of the context.', examples: ['true'] })
      .default(false),
    refresh: z
      .enum(['daily', 'weekly', 'monthly'])
      .meta({ description: 'How often `imgbuild lock --due` asks for a new build, whether or not an input changed.' })
      .optional(),
    release: z
      .boolean()
      .meta({
        description:
          'Whether a release has this image. Default: where no layer says, those that no other layer is built on or a package runs.',
        examples: ['true'],
      })
      .optional(),
    needs: z
      .array(z.string())
      .meta({ description: 'Layers that this one needs where its Dockerfile cannot tell.', examples: ['[base]'] })
      .default([]),
    platforms: platforms
      .min(1)
      .meta({ description: "Default: the file's platforms.", examples: ['[linux/amd64]'] })
      .optional(),
    labels: z
      .record(z.string().min(1), z.string())
      .meta({ description: 'Labels of the image.', examples: ['{ org.opencontainers.image.vendor: ACME }'] })
      .default({}),
    secrets: z
      .array(secret)
      .meta({ description: 'What RUN --mount=type=secret gets.', examples: ['[{ id: pip, env: PIP_TOKEN }]'] })
      .default([]),
    ssh: z
      .array(z.string().min(1))
      .meta({ description: 'As `docker build --ssh`: default, or ID=SOCKET.', examples: ['[default]'] })
      .default([]),
  })
  .superRefine((layer, context) => {
    if (layer.context !== undefined || layer.envd !== undefined) return;
    context.addIssue({ code: 'invalid_type', expected: 'string', path: ['context'], input: undefined });
  })
  .meta({
    description: 'One image of the chain.',
    examples: ['{ context: docker/base, image: base:1 }'],
    anyOf: [{ required: ['context'] }, { required: ['envd'] }],
  });

/** The one definition of imgbuild.yaml. */
export const configSchema = z
  .strictObject({
    version: z.literal(1).meta({ description: 'Version of this format.', examples: ['1'] }),
    name: text(
      { description: 'Name of the whole: of deltas and of its folder on devices.', examples: ['ccai'] },
      parseName,
    ),
    store: text(
      {
        description: 'Where images are saved: a folder (./DIR or oci:DIR), or a registry (HOST[:PORT]/PATH).',
        examples: ['ghcr.io/acme/ccai'],
      },
      (value) => {
        parseStoreAddress(value, '/');
        return value;
      },
    )
      .meta({ default: defaultStoreText })
      .optional(),
    platforms: platforms
      .min(1)
      .meta({ description: "Default: the building machine's.", examples: ['[linux/amd64, linux/arm64]'] })
      .optional(),
    args: args('of every layer that declares them').default({}),
    options: optionsSchema.optional(),
    envd: envdSchema.optional(),
    include: includeSchema.optional(),
    layers: z
      .record(key({ description: "A layer's name.", pattern: name.source }, parseName), layerSchema)
      .meta({
        description: 'The images, by name; none where packages or models alone are released.',
        examples: ['{ base: { context: docker/base } }'],
      })
      .default({}),
    bases: z
      .record(
        key({ description: 'The reference as a FROM names it.' }, (value) => {
          try {
            parseReference(value);
          } catch (error) {
            throw new Wrong((error as Error).message, 'write it as the FROM does, as in "debian:12"');
          }
        }),
        text({ description: 'oci:DIR[:REF]: an OCI image layout.', examples: ['oci:./bases/debian'] }, (value) => {
          parseBaseSource(value, '/');
          return value;
        }),
      )
      .meta({ description: 'Bases that are in no registry.', examples: ['{ "debian:12": oci:./bases/debian }'] })
      .default({}),
    debs: z
      .record(key({ description: "A package's name." }, parseDebName), debSchema)
      .meta({ description: 'Debian packages, by name.', examples: ['{}'] })
      .default({}),
    models: z
      .record(key({ description: "A model's name." }, parseModelName), modelSchema)
      .meta({ description: 'Models, by name.', examples: ['{}'] })
      .default({}),
    ota: otaSchema.prefault({}),
  })
  .meta({ title: 'imgbuild.yaml', description: 'What imgbuild builds, saves and releases.' });

/** docs/schema/imgbuild.schema.json: what editors complete from. */
export function configSchemaJson(): string {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input' });
  return `${JSON.stringify({ $schema, ...rest }, examplesAsData, 2)}\n`;
}

/** Examples are kept as YAML, since errors show them so; the schema has them as data. */
function examplesAsData(property: string, value: unknown): unknown {
  if (property !== 'examples' || !Array.isArray(value)) return value;
  return value.map((example) => parse(String(example)) as unknown);
}
