import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { actionNames, publishedNames } from '../build.ts';
import type { GeneratedFile } from '../generate.ts';
import { actionTables, replaceBetween, type ActionMetadata } from './action-tables.ts';

/**
 * From each actions/<name>/action.yml: the entry point that `uses: org/imgbuild/<name>@…` names, the tables in its
 * README, and all tables together in docs/actions.md. The release is the root's: `uses: org/imgbuild@…`.
 */
export async function actionEntries(root: string): Promise<GeneratedFile[]> {
  const files: GeneratedFile[] = [];
  const reference: string[] = [];
  for (const name of actionNames) {
    const source = `actions/${name}/action.yml`;
    const text = await readFile(join(root, source), 'utf8');
    const isRoot = name === 'release';
    const head = `# Generated from ${source}: change that file, then run \`npm run generate\`.\n`;
    if (isRoot) files.push({ path: 'action.yml', content: head + text.replaceAll('../../dist/', 'dist/') });
    else if (publishedNames.includes(name)) {
      files.push({ path: `${name}/action.yml`, content: head + text.replaceAll('../../dist/', '../dist/') });
    }
    const metadata = parse(text) as ActionMetadata;
    const tables = actionTables(metadata);
    const readme = `actions/${name}/README.md`;
    files.push({
      path: readme,
      content: replaceBetween(await readFile(join(root, readme), 'utf8'), 'inputs and outputs', tables, readme),
    });
    const folder = publishedNames.includes(name) ? name : `actions/${name}`;
    const heading = `## ${isRoot ? 'org/imgbuild' : `org/imgbuild/${folder}`}`;
    reference.push(`${heading}\n\n${metadata.description}.\n\n${tables.replaceAll(/^## /gm, '### ')}`);
  }
  const page = 'docs/actions.md';
  files.push({
    path: page,
    content: replaceBetween(await readFile(join(root, page), 'utf8'), 'reference', reference.join('\n'), page),
  });
  return files;
}
