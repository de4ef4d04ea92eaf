import { isAbsolute, join } from 'node:path';

/**
 * Where what was fetched is kept for all checkouts of this user: `$XDG_CACHE_HOME/imgbuild`, `~/.cache/imgbuild` (XDG base
 * directory specification); without a home, `.imgbuild/cache` of this checkout.
 */
export function cacheFolder(env: NodeJS.ProcessEnv, root: string): string {
  const { XDG_CACHE_HOME: cache, HOME: home } = env;
  // The specification: relative paths count as none.
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'imgbuild');
  if (home !== undefined && isAbsolute(home)) return join(home, '.cache/imgbuild');
  return join(root, '.imgbuild/cache');
}
