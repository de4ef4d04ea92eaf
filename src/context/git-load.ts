import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Failure } from '../failure.ts';
import { conversionsAbove, conversionsIn, unconvertedPaths } from './git-attributes.ts';
import { GitListing } from './git-listing.ts';
import { git } from './git.ts';

/** Which index file git reads, as far as another one in its place would show. */
async function indexIdentity(file: string): Promise<string> {
  try {
    const { ino, mtimeNs, ctimeNs, size } = await stat(file, { bigint: true });
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

/**
 * What git knows of the files below `root`; undefined where it knows nothing: no git, no repository, or one that it
 * refuses for its owner. Three commands at once, each over the same index: what is tracked; what of it is not as the
 * index says (by full stat data; what is racily clean is read by git); what is not tracked, where a folder without
 * tracked files is one line.
 */
export async function loadGitListing(root: string, signal?: AbortSignal): Promise<GitListing | undefined> {
  try {
    const places = await git(
      root,
      ['rev-parse', '--show-prefix', '--git-path', 'info/attributes', '--git-path', 'index'],
      { signal },
    );
    if (!places) return undefined;
    const [prefix = '', info = '', index = ''] = places.toString('utf8').split('\n');
    for (let attempt = 0; attempt < 5; attempt++) {
      const before = await indexIdentity(resolve(root, index));
      const [listing, modified, untracked, conversion] = await Promise.all([
        // Read while the other two, which look at the disk, are still at it.
        git(root, ['ls-files', '-s', '-v', '-z'], { signal }).then((tracked) => tracked && new GitListing(tracked)),
        git(root, ['ls-files', '-m', '-d', '-z'], { signal }),
        git(root, ['ls-files', '-o', '--directory', '-z'], { signal }),
        conversionsAbove(root, prefix, info, signal),
      ]);
      if (!listing || !modified || !untracked) return undefined;
      // git replaces the index by rename: the same file before and after means that all of them read that one.
      if ((await indexIdentity(resolve(root, index))) !== before) continue;
      listing.addUntracked(untracked);
      for (const path of pathsIn(modified)) listing.markUnknown(path);
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
