import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { toJSONSchema } from 'zod';
import { debSchema } from '../../src/config/deb.ts';
import { modelSchema } from '../../src/config/model.ts';
import { otaSchema } from '../../src/config/ota.ts';
import { configSchema, layerSchema } from '../../src/config/schema.ts';
import type { GeneratedFile } from '../generate.ts';
import { replaceBetween } from './action-tables.ts';

interface Property {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
}

/** The tables of keys in docs/configuration.md, from the definition that the file is checked by. */
export async function configReference(root: string): Promise<GeneratedFile[]> {
  const path = 'docs/configuration.md';
  const tables = [
    ['### At the top', configSchema],
    ['### In a layer: `layers.NAME`', layerSchema],
    ['### In a package: `debs.NAME`', debSchema],
    ['### In a model: `models.NAME`', modelSchema],
    ['### In `ota`', otaSchema],
  ] as const;
  const content = tables.map(([heading, schema]) => `${heading}\n\n${tableOf(schema)}`).join('\n');
  return [{ path, content: replaceBetween(await readFile(join(root, path), 'utf8'), 'reference', content, path) }];
}

/** From the schema itself: JSON schemas have no examples of what is parsed into something else. */
function exampleOf(schema: z.ZodType, key: string): string | undefined {
  let each = (schema as z.ZodObject).shape[key] as z.ZodType | undefined;
  while (each) {
    const examples = each.meta()?.examples;
    if (Array.isArray(examples)) return String(examples[0]);
    const { innerType, in: input } = each.def as { innerType?: z.ZodType; in?: z.ZodType };
    each = innerType ?? input;
  }
  return undefined;
}

function tableOf(schema: z.ZodType): string {
  const { properties = {}, required = [] } = toJSONSchema(schema, { io: 'input' }) as {
    properties?: Record<string, Property>;
    required?: string[];
  };
  const rows = Object.entries(properties).map(([key, property]) => {
    const { description = '', enum: values } = property;
    const choice = values === undefined ? '' : ` One of ${values.map((value) => `\`${value}\``).join(', ')}.`;
    const fallback = required.includes(key) ? '**required**' : defaultOf(property.default);
    const written = exampleOf(schema, key);
    const example = written === undefined ? '' : `\`${key}: ${written}\``;
    return `| \`${key}\` | ${fallback} | ${(description + choice).replaceAll('|', '\\|')} | ${example} |`;
  });
  return ['| Key | Default | Meaning | Example |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}

function defaultOf(value: unknown): string {
  // Of a list or mapping: what is in it has defaults of its own, and stands in a table of its own.
  if (value === undefined || JSON.stringify(value) === '[]' || isMapping(value)) return '';
  return `\`${String(value)}\``;
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
