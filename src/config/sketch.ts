import type { LayerImage } from './config.ts';
import type { EnvdSource } from './envd.ts';
import { parseImage } from './image.ts';
import { layerSchema } from './schema.ts';
import { Wrong } from './wrong.ts';

/**
 * What can be read of a layer whatever else is wrong with it, so that the rules that join layers are checked in the
 * same run as the rest. Absent is what is wrong by itself or not given.
 */
export interface LayerSketch {
  name: string;
  image?: LayerImage;
  /** No image is given, and the layer's name cannot be one. */
  unnamed?: Wrong;
  needs: string[];
  context?: string;
  dockerfile?: string;
  /** A build file that the layer is made from. */
  envd?: EnvdSource;
  /** By their place in the list. */
  copies: (string | undefined)[];
}

/** In the order of the file. */
export function sketchLayers(data: unknown): LayerSketch[] {
  return Object.entries(asMap(asMap(data).layers)).map(([name, value]) => {
    const raw = asMap(value);
    const sketch: LayerSketch = {
      name,
      needs: Array.isArray(raw.needs) ? raw.needs.map(String) : [],
      copies: Array.isArray(raw.copy)
        ? raw.copy.map((entry) => layerSchema.shape.copy.safeParse([entry]).data?.[0]?.src)
        : [],
    };
    const context = layerSchema.shape.context.safeParse(raw.context).data;
    if (context !== undefined) sketch.context = context;
    const envd = layerSchema.shape.envd.safeParse(raw.envd).data;
    if (envd) sketch.envd = envd;
    const dockerfile = layerSchema.shape.dockerfile.safeParse(raw.dockerfile).data;
    if (dockerfile !== undefined) sketch.dockerfile = dockerfile;
    const image = layerSchema.shape.image.safeParse(raw.image).data;
    if (image) sketch.image = image;
    else if (raw.image === undefined) {
      try {
        sketch.image = parseImage(name);
      } catch (error) {
        if (!(error instanceof Wrong)) throw error;
        sketch.unnamed = error;
      }
    }
    return sketch;
  });
}

function asMap(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
