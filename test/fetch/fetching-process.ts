/** Fetches one file into a cache, for tests that end it or run several at once: URL SHA256 CACHE. Prints its path. */
import { Failure } from '../../src/failure.ts';
import { BlobCache } from '../../src/fetch/blob-cache.ts';
import { downloadFile } from '../../src/fetch/download.ts';

const [url, sha256, folder] = process.argv.slice(2) as [string, string, string];
const progress = {
  note: (text: string) => process.stderr.write(`${text}\n`),
  warn: (text: string) => process.stderr.write(`${text}\n`),
  transfer: () => ({ add: () => void process.stderr.write('.'), end() {} }),
};
const cached = await new BlobCache(folder).obtain({
  sha256,
  source: url,
  name: 'yolo.bin',
  progress,
  fill: (partial) =>
    downloadFile({
      url,
      sha256,
      partial,
      name: 'yolo.bin',
      progress,
      wrongSum: (found) => new Failure({ doing: 'fetching', because: found }),
    }),
});
process.stdout.write(cached.file);
