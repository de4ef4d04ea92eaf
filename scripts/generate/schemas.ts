import { configSchemaJson } from '../../src/config/schema.ts';
import { channelSchemaJson } from '../../src/release/channel-json.ts';
import { releaseSchemaJson } from '../../src/release/release-json.ts';
import type { GeneratedFile } from '../generate.ts';

/** JSON schemas of the files that users write and read, from the definitions that the code checks them by. */
export function schemaFiles(): GeneratedFile[] {
  return [
    { path: 'docs/schema/imgbuild.schema.json', content: configSchemaJson() },
    { path: 'docs/schema/ota.schema.json', content: channelSchemaJson() },
    { path: 'docs/schema/release.schema.json', content: releaseSchemaJson() },
  ];
}
