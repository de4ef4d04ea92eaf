import path from 'node:path';
import { requiredInput, wrongInput } from './inputs.ts';

/** Where GitHub Pages serves a folder of a branch, relative to its root; `docs` can be the root. With a slash at its end. */
export function pagesAddress(slug: string, folder: string): string {
  const [owner, repo] = slug.toLowerCase().split('/') as [string, string];
  const root = repo === `${owner}.github.io` ? '' : `${slug.split('/')[1]}/`;
  const below = folder === '' || folder === 'docs' ? '' : `${folder}/`;
  return `https://${owner}.github.io/${root}${below}`;
}

/** An input that names a folder of the branch that is checked out into `root`. Absolute. */
export function pagesFolderInput(name: string, root: string): string {
  const folder = path.resolve(root, requiredInput(name));
  const relative = path.relative(root, folder);
  if (/^(\.\.|\.git)(\/|$)/.test(relative) || path.isAbsolute(requiredInput(name))) {
    throw wrongInput(name, 'it is no folder of the branch', 'write one such as docs or apt');
  }
  return folder;
}
