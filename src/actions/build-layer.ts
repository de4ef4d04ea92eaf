import * as core from '@actions/core';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildProject } from '../project/build.ts';
import { buildProgress } from '../report/build-progress.ts';
import { styleFor } from '../report/failure.ts';
import { buildSummary } from '../report/github-summary.ts';
import { runAction } from './action.ts';
import { flagInput, namesInput, platformInput, secretsInput, textInput } from './inputs.ts';
import { openActionProject } from './project.ts';
import { savedBytes } from './saved-bytes.ts';

await runAction(async (context) => {
  const request = {
    layers: namesInput('layers'),
    force: flagInput('force'),
    load: flagInput('load'),
    frozen: flagInput('frozen'),
    builder: textInput('builder'),
    env: { ...process.env, ...Object.fromEntries(secretsInput('secrets')) },
    progress: context.progress,
    signal: context.signal,
  };
  const options = { readOnly: flagInput('read-only'), platform: platformInput('platform') };
  const project = await openActionProject(context, options);
  const progress = buildProgress({ write: (text) => process.stdout.write(text) }, styleFor({}, process.env));
  const { plan, report } = await buildProject(project, { ...request, onEvent: (event) => progress.onEvent(event) });
  for (const warning of plan.warnings) context.progress.warn(warning);

  const images = report.layers.map(({ name, platform, repository, digest, outcome }) => {
    return { name, platform, repository, digest, outcome };
  });
  const built = report.layers.filter(({ outcome }) => outcome !== 'reused');
  const first = built[0] ?? report.layers[0];
  const file = path.join(
    context.temporary,
    `imgbuild-images-${[first?.name, options.platform].join('-').replaceAll('/', '-')}.json`,
  );
  await mkdir(context.temporary, { recursive: true });
  await writeFile(file, `${JSON.stringify(report)}\n`);
  core.setOutput('images', JSON.stringify(images));
  core.setOutput('images-file', file);
  core.setOutput('built', JSON.stringify([...new Set(built.map(({ name }) => name))]));

  const moved = report.layers.reduce((sum, { bytes }) => sum + bytes, 0);
  const reused = report.layers.filter(({ outcome }) => outcome === 'reused');
  const saved = await savedBytes(project.store, reused);
  await context.summary(buildSummary(report.layers, { moved, saved }));
});
