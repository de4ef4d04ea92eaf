import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { GeneratedFile } from '../generate.ts';

/** Where the project is published; callers write it before `/<action>@v1`. */
export const slug = 'org/imgbuild';

/** Workflows of this repository alone; nobody calls them from another one. */
const ownOnly = new Set(['ci.yml', 'own-release.yml']);

interface Pin {
  version: string;
  commit: string;
}

/**
 * From each workflows/*.yml: the same in .github/workflows with every third-party action pinned by its commit, and a
 * variant that names this repository and its version instead of `$/`, which runners before 2.336 and GitHub
 * Enterprise Server do not know.
 */
export async function workflowFiles(root: string): Promise<GeneratedFile[]> {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const pins = parse(await readFile(join(root, 'workflows/pins.yaml'), 'utf8')) as Record<string, Pin>;
  const names = (await readdir(join(root, 'workflows'))).filter((name) => name.endsWith('.yml')).toSorted();
  const files: GeneratedFile[] = [];
  for (const name of names) {
    const source = `workflows/${name}`;
    const head = `# Generated from ${source}: change that file, then run \`npm run generate\`.\n`;
    const content = head + pinned(await readFile(join(root, source), 'utf8'), pins, source);
    files.push({ path: `.github/workflows/${name}`, content });
    if (ownOnly.has(name)) continue;
    files.push({
      path: `.github/workflows/${name.replace(/\.yml$/, '-versioned.yml')}`,
      content: olderVariant(content, `v${version}`),
    });
  }
  return files;
}

/** Turns `uses: owner/name@v1.2.3` into `uses: owner/name@<commit> # v1.2.3`, from the one list of commits. */
export function pinned(text: string, pins: Readonly<Record<string, Pin>>, file: string): string {
  return text.replaceAll(/^(\s*(?:- )?uses: )([\w-]+\/[\w.-]+)@(\S+)$/gm, (_line, before, action, version) => {
    const pin = pins[action];
    if (pin === undefined) throw new Error(`${file}: ${action} is not in workflows/pins.yaml`);
    if (pin.version !== version)
      throw new Error(`${file}: ${action}@${version}, but workflows/pins.yaml has the commit of ${pin.version}`);
    return `${before}${action}@${pin.commit} # ${pin.version}`;
  });
}

/**
 * Turns `uses: $/build-layer` into `uses: org/imgbuild/build-layer@<ref>`, and `$/` alone into `org/imgbuild@<ref>`.
 * Leaves out `queue:` of a concurrency group, which GitHub Enterprise Server refuses too.
 */
export function olderVariant(text: string, ref: string): string {
  const known = text.replaceAll(/^  queue: max\n/gm, '');
  return known.replaceAll(/^(\s*(?:- )?uses: )\$(\/\S*)?$/gm, (_line, before, path) => {
    return `${before}${slug}${path === undefined || path === '/' ? '' : path}@${ref}`;
  });
}
