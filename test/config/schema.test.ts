import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configSchemaJson } from '../../src/config/schema.ts';

test('docs/schema/imgbuild.schema.json is what the definition says', async () => {
  const file = new URL('../../docs/schema/imgbuild.schema.json', import.meta.url);
  expect(await readFile(file, 'utf8'), 'run: npm run generate').toBe(configSchemaJson());
});

test('every key of the file and of a layer is described', () => {
  const { properties } = JSON.parse(configSchemaJson()) as { properties: Record<string, { description?: string }> };
  const layer = (properties.layers as unknown as { additionalProperties: { properties: typeof properties } })
    .additionalProperties.properties;
  const bare = Object.entries({ ...properties, ...layer }).flatMap(([key, value]) => (value.description ? [] : [key]));
  expect(bare).toEqual([]);
});
