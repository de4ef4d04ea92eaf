import * as core from '@actions/core';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../failure.ts';
import { parseRelease } from '../release/release-json.ts';
import { runAction } from './action.ts';
import { requiredInput } from './inputs.ts';
import { publishReleasePage } from './publish-page.ts';

await runAction(async ({ directory: here, token, progress, signal }) => {
  const directory = path.resolve(here, requiredInput('directory'));
  const read = (name: string) =>
    readFile(path.join(directory, name)).catch((cause: unknown) => {
      const fix = 'give the folder that the release action filled, or the artifact of it';
      throw new Failure({ doing: `reading ${path.join(directory, name)}`, because: 'it cannot be read', fix, cause });
    });
  const { version } = parseRelease(await read('release.json'));
  const body = (await read('page.md')).toString('utf8');
  core.setOutput('page', await publishReleasePage({ version, body, directory, token, progress, signal }));
});
