import * as core from '@actions/core';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chainMatrix, runnersFrom, waveMatrices } from '../plan/matrix.ts';
import { openProject } from '../project/open.ts';
import { planProject } from '../project/plan.ts';
import { styleFor } from '../report/failure.ts';
import { planSummary } from '../report/github-summary.ts';
import { renderPlan } from '../report/plan.ts';
import { runAction } from './action.ts';
import { restoreHashCache, saveHashCache } from './hash-cache.ts';
import { flagInput, namesInput, runnersInput } from './inputs.ts';
import { planOutput } from './plan-output.ts';

await runAction(async (context) => {
  const runnerOf = runnersFrom(runnersInput('runners'));
  const request = { layers: namesInput('layers'), force: namesInput('force'), frozen: flagInput('frozen') };
  const project = await openProject(context);
  if (flagInput('cache')) await restoreHashCache(project.config.root, context.workspace);
  const { plan } = await planProject(project, { ...request, progress: context.progress, signal: context.signal });

  await mkdir(context.temporary, { recursive: true });
  const file = path.join(context.temporary, 'imgbuild-plan.json');
  await writeFile(file, `${JSON.stringify(plan)}\n`);
  core.setOutput('plan', planOutput(plan));
  core.setOutput('plan-file', file);
  core.setOutput('matrix', JSON.stringify(chainMatrix(plan, runnerOf)));
  core.setOutput('waves', JSON.stringify(waveMatrices(plan, runnerOf)));
  core.setOutput('has-work', String(plan.hasWork));
  const changed = plan.layers.filter((layer) => layer.action === 'build').map((layer) => layer.name);
  core.setOutput('changed', JSON.stringify([...new Set(changed)]));

  for (const warning of plan.warnings) context.progress.warn(warning);
  core.info(renderPlan(plan, styleFor({}, process.env)));
  await context.summary(planSummary(plan));
}, saveHashCache);
