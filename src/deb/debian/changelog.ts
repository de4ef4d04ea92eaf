import { troubleAt } from '../draft.ts';
import { isDebianVersion } from '../relation.ts';
import type { TextFile } from './text-file.ts';

/** Source and version of the newest entry (deb-changelog(5)). Throws a Failure at its line. */
export function readChangelog(file: TextFile): { source: string; version: string; line: number } {
  const index = file.lines.findIndex((line) => line.trim() !== '');
  const line = Math.max(0, index) + 1;
  const match = /^([a-z0-9][a-z0-9+.-]+) \(([^()\s]+)\)(?: [^;]+)?;/.exec(file.lines[line - 1] ?? '');
  if (match === null) {
    const fix = 'write NAME (VERSION) DISTRIBUTION; urgency=medium';
    throw troubleAt(file.at(line), 'this does not begin an entry of a changelog', fix);
  }
  const [, source, version] = match as unknown as [string, string, string];
  if (!isDebianVersion(version)) {
    const at = file.at(line, source.length + 3, version.length);
    throw troubleAt(at, `${version} is not a version of Debian's`, 'write [EPOCH:]UPSTREAM[-REVISION], a digit first');
  }
  return { source, version, line };
}
