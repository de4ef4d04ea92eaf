import * as core from '@actions/core';
import { pushProject } from '../project/push.ts';
import { tableSummary } from '../report/github-summary.ts';
import { runAction } from './action.ts';
import { namesInput, textInput } from './inputs.ts';
import { openActionProject } from './project.ts';

await runAction(async (context) => {
  const request = { images: namesInput('images'), tags: namesInput('tags'), to: textInput('to'), frozen: true };
  const project = await openActionProject(context, {});
  const { progress, signal } = context;
  const pushed = await pushProject(project, { ...request, progress, signal });

  core.setOutput('images', JSON.stringify(pushed));
  const rows = pushed.map(({ reference, digest, outcome }) => ({ cells: [reference, digest, outcome] }));
  for (const { cells } of rows) core.info(cells.join('  '));
  await context.summary(tableSummary('Tags', ['Reference', 'Digest', ''], rows));
});
