import * as core from '@actions/core';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { unreleased } from '../deb/check.ts';
import { sharings } from '../deb/share-out.ts';
import { nameAsAssets } from '../project/asset-names.ts';
import { packProject } from '../project/debs.ts';
import { writeSignedSums } from '../release/signed-sums.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { runAction } from './action.ts';
import { choiceInput, flagInput, namesInput, requiredInput, secretsInput, wrongInput } from './inputs.ts';
import { openModelCache } from './model-cache.ts';
import { planDebs } from './plan-debs.ts';
import { openActionProject } from './project.ts';
import { addToReleasePage } from './publish-page.ts';
import { signKeyInput } from './sign-key-input.ts';
import { optionalVersionInput, versionInput } from './version-input.ts';

await runAction(async (context) => {
  const names = namesInput('packages');
  const isDryRun = flagInput('dry-run');
  // What a pull request changes is for no release yet.
  const version = (isDryRun ? optionalVersionInput('version') : versionInput('version')) ?? unreleased;
  const sharing = choiceInput('share', sharings);
  const publish = choiceInput('publish', ['nothing', 'draft', 'release-page']);
  const sumsName = requiredInput('checksums');
  if (path.basename(sumsName) !== sumsName) {
    throw wrongInput('checksums', 'it is more than the name of a file', 'write a name such as debs.SHA256SUMS');
  }
  const signKey = await signKeyInput();
  const request = {
    only: names.length === 0 ? undefined : names,
    choice: { on: namesInput('on'), off: namesInput('off') },
    version,
    force: flagInput('force'),
    env: { ...process.env, ...Object.fromEntries(secretsInput('secrets')) },
  };
  const readOnly = flagInput('read-only');
  const keeper = flagInput('keep-models') ? openModelCache(context, { readOnly }) : undefined;
  const opened = await openActionProject(context, { readOnly });
  const project = keeper === undefined ? opened : { ...opened, keeper };
  if (isDryRun) return planDebs(context, project, { ...request, sharing });

  const { signal, progress, token } = context;
  const directory = path.resolve(context.directory, requiredInput('output'));
  const made = await packProject(project, { ...request, directory, frozen: true, progress, signal }).finally(() =>
    signal.aborted ? undefined : keeper?.save(),
  );
  const packed = await nameAsAssets(made);
  const packages = packed.map(({ file, ...rest }) => ({ ...rest, file: path.basename(file) }));
  const paths = packed.map(({ file }) => file);
  const sums = packed.length === 0 ? undefined : await writeSignedSums(directory, sumsName, packages, signKey);
  await mkdir(context.temporary, { recursive: true });
  const list = path.join(context.temporary, `imgbuild-${sumsName}.json`);
  await writeFile(list, `${JSON.stringify(packages)}\n`);
  core.setOutput('packages', JSON.stringify(packages));
  core.setOutput('packages-file', list);
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
  const table = tableSummary('Debian packages', header, rows);
  await context.summary(table);
  if (publish === 'nothing' || sums === undefined) return;
  const files = [...paths, sums.file, ...(sums.signature === undefined ? [] : [sums.signature])];
  const draft = publish === 'draft';
  core.setOutput('page', await addToReleasePage({ version, body: table, files, draft, token, progress, signal }));
});
