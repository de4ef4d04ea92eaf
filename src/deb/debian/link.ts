import { posix } from 'node:path';

/** As debian-policy 10.5 wants links: relative within a top-level folder, absolute between two. */
export function linkTarget(target: string, link: string): string {
  const absolute = posix.normalize(`/${target.replace(/^\/+/, '')}`);
  const top = (path: string) => path.split('/')[1];
  return top(absolute) === top(link) ? posix.relative(posix.dirname(link), absolute) : absolute;
}
