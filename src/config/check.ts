import { basename, dirname, posix } from 'node:path';
import type * as z from 'zod';
import type { Failure } from '../failure.ts';
import { hostPlatform, type Platform } from '../oci/platform.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import { parseBaseSource } from './base-source.ts';
import type { Config, Layer, LayerImage, StoreAddress } from './config.ts';
import { toDeb } from './deb.ts';
import type { EnvdLayerSource } from './envd.ts';
import type { Include } from './include.ts';
import { failuresOf, wrongAt } from './issues.ts';
import { toModel } from './model.ts';
import type { OptionPaths } from './options.ts';
import { joinedRules } from './rules.ts';
import { configSchema, type layerSchema } from './schema.ts';
import { sketchLayers, type LayerSketch } from './sketch.ts';
import { defaultStoreText, parseStoreAddress } from './store-address.ts';
import { parseYaml, type YamlSource } from './yaml-source.ts';

export interface LoadOptions {
  /** Where the file names no store; else the folder .imgbuild/store. */
  defaultStore?: StoreAddress;
  /** Where the file names no platforms; else this machine's. */
  defaultPlatform?: Platform;
}

/** What could be understood of a file. */
export interface Checked {
  /** Whole only when there are no failures. */
  config: Config | undefined;
  /** `options:`, whose files are not read yet. */
  optionPaths?: OptionPaths | undefined;
  /** Layers that are made from build files, which are not read yet. */
  envd?: { sources: EnvdLayerSource[]; images: ReadonlyMap<string, string> } | undefined;
  /** Trees of other systems, which are not read yet. */
  include?: Include | undefined;
  sketches: LayerSketch[];
  source: YamlSource;
  failures: Failure[];
}

/** The pure part: the text against the definition and the rules that join its parts. */
export function checkConfig(text: string, file: string, options: LoadOptions = {}): Checked {
  const root = dirname(file);
  const name = basename(file);
  const source = parseYaml(text, name);
  const broken = (failures: Failure[]): Checked => ({ config: undefined, sketches: [], source, failures });
  if (source.failures.length > 0) return broken(source.failures);
  if (source.data === null || source.data === undefined) {
    return broken([wrongAt(name, source.locate([]), 'the file is empty', 'write version: 1, name: and layers:')]);
  }
  const parsed = configSchema.safeParse(source.data);
  const failures = parsed.success ? [] : failuresOf(parsed.error.issues, configSchema, source, name);
  const sketches = sketchLayers(source.data);
  failures.push(...joinedRules(sketches, source, name));
  if (
    parsed.success &&
    ![parsed.data.layers, parsed.data.include ?? {}, parsed.data.debs, parsed.data.models].some(hasEntries)
  ) {
    const at = source.locate(['layers'], 'key');
    failures.push(wrongAt(name, at, 'there is no layer', 'write one: base: { context: docker/base }'));
  }
  if (!parsed.success) return { config: undefined, sketches, source, failures };

  const whole = parsed.data;
  const platforms = whole.platforms ?? [options.defaultPlatform ?? hostPlatform()];
  const config: Config = {
    file,
    root,
    name: whole.name,
    store:
      whole.store === undefined
        ? (options.defaultStore ?? parseStoreAddress(`./${defaultStoreText}`, root))
        : parseStoreAddress(whole.store, root),
    args: whole.args,
    platforms,
    layers: sketches.flatMap((sketch) =>
      sketch.image ? [toLayer(sketch.name, whole.layers[sketch.name]!, sketch.image, platforms)] : [],
    ),
    bases: new Map(
      Object.entries(whole.bases).map(([reference, from]) => [
        formatReference(parseReference(reference)),
        parseBaseSource(from, root),
      ]),
    ),
    debs: Object.entries(whole.debs).map(([deb, value]) => toDeb(deb, value)),
    models: Object.entries(whole.models).map(([model, value]) => toModel(model, value)),
    ota: whole.ota,
    locate: source.locate,
  };
  const sources = Object.entries(whole.layers).flatMap(([layer, { envd, order }]) =>
    envd ? [{ ...envd, name: layer, order: order ?? ('written' as const) }] : [],
  );
  const images = new Map(Object.entries(whole.envd?.images ?? {}));
  const envd = sources.length === 0 ? undefined : { sources, images };
  return { config, optionPaths: whole.options, envd, include: whole.include, sketches, source, failures };
}

/** A repository may release packages or models alone. */
function hasEntries(map: object): boolean {
  return Object.keys(map).length > 0;
}

export function toLayer(
  name: string,
  parsed: z.output<typeof layerSchema>,
  image: LayerImage,
  platforms: Platform[],
): Layer {
  const {
    dockerfile,
    target,
    packages,
    image: _,
    refresh,
    release,
    prepare,
    platforms: own,
    envd,
    order: _order,
    ...rest
  } = parsed;
  // One of the two is there: the definition says so.
  const context = parsed.context ?? posix.dirname(envd!.file);
  return {
    ...rest,
    name,
    context,
    dockerfile: dockerfile ?? envd?.file ?? posix.join(context, 'Dockerfile'),
    image,
    platforms: own ?? platforms,
    ...(target === undefined ? {} : { target }),
    ...(packages === undefined ? {} : { packages }),
    ...(prepare === undefined ? {} : { prepare }),
    ...(refresh === undefined ? {} : { refresh }),
    ...(release === undefined ? {} : { release }),
  };
}
