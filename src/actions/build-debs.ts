import * as core from '@actions/core';
import path from 'node:path';
import { nameAsAssets } from '../project/asset-names.ts';
import { packProject } from '../project/debs.ts';
import { writeSignedSums } from '../release/signed-sums.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { runAction } from './action.ts';
import { flagInput, namesInput, requiredInput, wrongInput } from './inputs.ts';
import { openActionProject } from './project.ts';
import { addToReleasePage } from './publish-page.ts';
import { signKeyInput } from './sign-key-input.ts';
import { versionInput } from './version-input.ts';

await runAction(async (context) => {
  const names = namesInput('packages');
  const only = names.length === 0 ? undefined : names;
  const choice = { on: namesInput('on'), off: namesInput('off') };
  const version = versionInput('version');
  const sumsName = requiredInput('checksums');
  if (path.basename(sumsName) !== sumsName) {
    throw wrongInput('checksums', 'it is more than the name of a file', 'write a name such as debs.SHA256SUMS');
  }
  const withPage = flagInput('release-page');
  const signKey = await signKeyInput();
  const project = await openActionProject(context, {});
  const { signal, progress } = context;
  const directory = path.resolve(context.directory, requiredInput('output'));
  const made = await packProject(project, {
    only,
    choice,
    version,
    directory,
    frozen: true,
    env: process.env,
    progress,
    signal,
  });

  const packed = await nameAsAssets(made);
  const packages = packed.map(({ file, ...rest }) => ({ ...rest, file: path.basename(file) }));
  const paths = packed.map(({ file }) => file);
  const sums = packed.length === 0 ? undefined : await writeSignedSums(directory, sumsName, packages, signKey);
  core.setOutput('packages', JSON.stringify(packages));
  core.setOutput('has-packages', String(packages.length > 0));
  core.setOutput('directory', directory);
  core.setOutput('paths', paths.join('\n'));
  core.setOutput('checksums', sums?.file ?? '');
  core.setOutput('signature', sums?.signature ?? '');
  const rows = packages.map((each) => {
    return { cells: [each.name, each.version, each.architecture, formatBytes(each.size), each.sha256] };
  });
  for (const { file, size, sha256 } of packages) core.info([file, formatBytes(size), sha256].join('  '));
  const header = ['Package', 'Version', 'Architecture', 'Size', 'sha256'];
  await context.summary(tableSummary('Debian packages', header, rows));
  if (!withPage || sums === undefined) return;
  const files = [...paths, sums.file, ...(sums.signature === undefined ? [] : [sums.signature])];
  core.setOutput('page', await addToReleasePage({ version, files, token: context.token }));
});
