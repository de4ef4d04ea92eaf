import { didYouMean } from '../config/did-you-mean.ts';
import type { PackageEntry } from './entry.ts';
import type { Snippets } from './maintainer-scripts.ts';
import { isLate, lateNames } from './owner.ts';
import { shellWord } from './shell.ts';

/** Gives paths to users and groups of which only the device knows the numbers, unless the administrator says otherwise. */
export function addOwnerSnippet(entries: readonly PackageEntry[], snippets: Snippets): void {
  const lines = entries.flatMap((entry) =>
    entry.type !== 'symlink' && isLate(entry.owner)
      ? [`${entry.owner.user}:${entry.owner.group}\t${entry.mode.toString(8).padStart(4, '0')}\t/${entry.path}`]
      : [],
  );
  if (lines.length === 0) return;
  // The mode comes second: chown takes setuid and setgid away.
  snippets.postinst.push(`if [ "$1" = "configure" ]; then
	while IFS='	' read -r _owner _mode _path; do
		if ! dpkg-statoverride --list "$_path" >/dev/null; then
			chown -h "$_owner" "$_path"
			chmod "$_mode" "$_path"
		fi
	done <<'END-OF-OWNERS'
${lines.join('\n')}
END-OF-OWNERS
fi`);
}

/**
 * A warning for each name that owns a path and that neither the package's sysusers.d(5) nor, as far as can be seen, anything
 * else makes: chown would fail when the package is configured.
 */
export function ownersNobodyMakes(name: string, entries: readonly PackageEntry[]): string[] {
  const made = new Set<string>();
  for (const entry of entries) {
    if (entry.type !== 'file' || entry.source.from === 'disk') continue;
    if (!entry.path.startsWith('usr/lib/sysusers.d/')) continue;
    const lines = Buffer.from(entry.source.bytes).toString('utf8').split('\n');
    for (const line of lines) {
      // `u` and `g` name what they make, `m` a user and a group.
      const [, own = '', more = ''] = /^[ugm]!?[ \t]+(\S+)(?:[ \t]+(\S+))?/.exec(line) ?? [];
      for (const each of line.startsWith('m') ? [own, more] : [own]) made.add(each.replaceAll('"', ''));
    }
  }
  const told = new Map<string, string>();
  for (const entry of entries) {
    if (entry.type === 'symlink' || entry.owner === undefined) continue;
    for (const late of lateNames(entry.owner)) if (!made.has(late) && !told.has(late)) told.set(late, entry.path);
  }
  return [...told].map(([late, path]) => {
    const near = didYouMean(late, made);
    return `${name}: /${path} belongs to ${late}, which nothing makes: ${near === undefined ? 'name it in sysusers' : `did you mean ${near}?`}`;
  });
}

/** Purging a package removes the files that it made on the device. */
export function addGhostSnippet(ghosts: readonly string[], snippets: Snippets): void {
  if (ghosts.length === 0) return;
  snippets.postrm.push(`if [ "$1" = "purge" ]; then
	rm -f ${ghosts.map((path) => shellWord(`/${path}`)).join(' ')}
fi`);
}
