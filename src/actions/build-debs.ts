import * as core from '@actions/core';
import path from 'node:path';
import { packDebs, sourceDateOf } from '../deb/pack-debs.ts';
import { planProject } from '../project/plan.ts';
import { savedImages, serviceLayers } from '../project/saved-images.ts';
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
  const layers = serviceLayers(project.config, only);
  const { signal, progress } = context;
  const plan =
    layers.length === 0 ? undefined : await planProject(project, { layers, force: [], frozen: true, progress, signal });
  const images = plan === undefined ? [] : await savedImages(project, plan.plan, layers, version);
  const directory = path.resolve(context.directory, requiredInput('output'));
  const sourceDate = sourceDateOf(process.env);
  const packed = await packDebs({
    config: project.config,
    version,
    images,
    directory,
    only,
    progress,
    signal,
    ...(sourceDate === undefined ? {} : { sourceDate }),
  });

  const packages = packed.map(({ file, ...rest }) => ({ ...rest, file: path.basename(file) }));
  core.setOutput('packages', JSON.stringify(packages));
  core.setOutput('has-packages', String(packages.length > 0));
  core.setOutput('directory', directory);
  const rows = packages.map(({ file, size, sha256 }) => ({ cells: [file, formatBytes(size), sha256] }));
  for (const { cells } of rows) core.info(cells.join('  '));
  await context.summary(tableSummary('Debian packages', ['File', 'Size', 'sha256'], rows));
});
