import * as core from '@actions/core';
import path from 'node:path';
import { packProject } from '../project/debs.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { runAction } from './action.ts';
import { namesInput, requiredInput } from './inputs.ts';
import { openActionProject } from './project.ts';
import { versionInput } from './version-input.ts';

await runAction(async (context) => {
  const names = namesInput('packages');
  const only = names.length === 0 ? undefined : names;
  const version = versionInput('version');
  const project = await openActionProject(context, {});
  const { signal, progress } = context;
  const directory = path.resolve(context.directory, requiredInput('output'));
  const packed = await packProject(project, {
    only,
    version,
    directory,
    frozen: true,
    env: process.env,
    progress,
    signal,
  });

  const packages = packed.map(({ file, ...rest }) => ({ ...rest, file: path.basename(file) }));
  core.setOutput('packages', JSON.stringify(packages));
  core.setOutput('has-packages', String(packages.length > 0));
  core.setOutput('directory', directory);
  const rows = packages.map(({ file, size, sha256 }) => ({ cells: [file, formatBytes(size), sha256] }));
  for (const { cells } of rows) core.info(cells.join('  '));
  await context.summary(tableSummary('Debian packages', ['File', 'Size', 'sha256'], rows));
});
