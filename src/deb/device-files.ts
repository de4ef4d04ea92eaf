import type { PackageEntry } from './entry.ts';
import type { Snippets } from './maintainer-scripts.ts';
import { isLate } from './owner.ts';
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

/** Purging a package removes the files that it made on the device. */
export function addGhostSnippet(ghosts: readonly string[], snippets: Snippets): void {
  if (ghosts.length === 0) return;
  snippets.postrm.push(`if [ "$1" = "purge" ]; then
	rm -f ${ghosts.map((path) => shellWord(`/${path}`)).join(' ')}
fi`);
}
