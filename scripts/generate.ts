/**
 * Writes every file that another one decides. `--check` writes nothing and fails where one is stale.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { actionEntries } from './generate/action-entries.ts';
import { configReference } from './generate/config-reference.ts';
import { schemaFiles } from './generate/schemas.ts';
import { workflowFiles } from './generate/workflow-files.ts';

export interface GeneratedFile {
  /** Relative to the repository's root, POSIX. */
  path: string;
  content: string;
}

export async function generate(root: string): Promise<GeneratedFile[]> {
  return (await Promise.all([actionEntries(root), workflowFiles(root), schemaFiles(), configReference(root)])).flat();
}

/** Paths of the files that are missing or have other content. */
export async function staleFiles(root: string, files: readonly GeneratedFile[]): Promise<string[]> {
  const stale: string[] = [];
  for (const { path, content } of files) {
    const file = join(root, path);
    if (!existsSync(file) || (await readFile(file, 'utf8')) !== content) stale.push(path);
  }
  return stale;
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  const files = await generate(root);
  const stale = await staleFiles(root, files);
  if (process.argv.includes('--check')) {
    if (stale.length > 0) {
      console.error(`stale: ${stale.join(', ')}\n  to mend it: npm run generate`);
      process.exitCode = 1;
    }
  } else {
    for (const { path, content } of files.filter((file) => stale.includes(file.path))) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), content);
      console.log(path);
    }
  }
}
