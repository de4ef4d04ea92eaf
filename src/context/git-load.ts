import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { conversionSettings, conversionsAbove, conversionsIn, unconvertedPaths } from './git-attributes.ts';
import { GitListing } from './git-listing.ts';
import { git } from './git.ts';

/** Which index file git reads, as far as another one in its place would show. */
function indexIdentity(file: string): string {
  try {
    const { ino, mtimeNs, ctimeNs, size } = statSync(file, { bigint: true });
    return `${ino} ${mtimeNs} ${ctimeNs} ${size}`;
  } catch {
    return 'none';
  }
}

function* pathsIn(bytes: Buffer): Generator<Buffer> {
  for (let from = 0, at = bytes.indexOf(0); at >= 0; from = at + 1, at = bytes.indexOf(0, from)) {
    yield bytes.subarray(from, at);
  }
}

/** Where git's index lies in most repositories: to be looked at before git has said where it is. */
function likelyIndex(root: string): string {
  for (let folder = root; ; folder = dirname(folder)) {
    const repository = join(folder, '.git');
    if (dirname(folder) === folder || existsSync(repository)) return join(repository, 'index');
  }
}

/**
 * What git knows of the files below `root`; undefined where it knows nothing: no git, no repository, or one that it
 * refuses for its owner. Several commands at once, each over the same index: what is tracked; what of it is not as the
 * index says (by full stat data; what is racily clean is read by git); what is not tracked, where a folder without
 * tracked files is one line.
 */
export async function loadGitListing(root: string, signal?: AbortSignal): Promise<GitListing | undefined> {
  try {
    // Nothing is awaited before git runs: it is to be at work while the caller's other code is loaded.
    let index = likelyIndex(root);
    for (let attempt = 0; attempt < 5; attempt++) {
      const before = indexIdentity(index);
      // What takes longest begins first: git needs some milliseconds to start.
      const [modified, untracked, listing, places, settings] = await Promise.all([
        // As `ls-files -m -d`, on all cores.
        git(root, ['diff-files', '--name-only', '--relative', '--ignore-submodules=all', '-z'], { signal }),
        git(root, ['ls-files', '-o', '--directory', '-z'], { signal }),
        git(root, ['ls-files', '-s', '-v', '-z'], { signal }).then((tracked) => tracked && new GitListing(tracked)),
        git(root, ['rev-parse', '--show-prefix', '--git-path', 'info/attributes', '--git-path', 'index'], { signal }),
        conversionSettings(root, signal),
      ]);
      if (!places || !listing || !modified || !untracked) return undefined;
      const [prefix = '', info = '', found = ''] = places.toString('utf8').split('\n');
      // git replaces the index by rename: the same file before and after means that all of them read that one.
      const looked = index;
      index = resolve(root, found);
      if (index !== looked || indexIdentity(index) !== before) continue;
      listing.addUntracked(untracked);
      for (const path of pathsIn(modified)) listing.markUnknown(path);
      const conversion = await conversionsAbove(root, prefix, info, settings);
      conversion.attributes ||= await conversionsIn(root, listing.attributesFiles);
      if (conversion.autocrlf || conversion.attributes) {
        listing.keepTrusted(await unconvertedPaths(root, conversion, signal));
      }
      return listing;
    }
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}
