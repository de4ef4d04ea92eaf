import * as core from '@actions/core';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Prover } from '../delta/prove.ts';
import { releaseProject } from '../project/release.ts';
import { buildProgress } from '../report/build-progress.ts';
import { styleFor } from '../report/failure.ts';
import { releasePage, releaseSubjects } from '../report/github-release.ts';
import { buildSummary, planSummary, proofSummary } from '../report/github-summary.ts';
import { readRelease } from '../release/release-store.ts';
import { runAction } from './action.ts';
import { flagInput, requiredInput, secretsInput, textInput } from './inputs.ts';
import { openModelCache } from './model-cache.ts';
import { openActionProject } from './project.ts';
import { openProver } from './prover.ts';
import { publishReleasePage } from './publish-page.ts';
import { savedBytes } from './saved-bytes.ts';
import { signKeyInput } from './sign-key-input.ts';
import { versionInput } from './version-input.ts';

await runAction(async (context) => {
  const version = versionInput('version');
  const signKey = await signKeyInput();
  const withPage = flagInput('release-page');
  const request = {
    version,
    previous: textInput('previous'),
    dryRun: flagInput('dry-run'),
    output: path.resolve(context.directory, requiredInput('output')),
    frozen: true,
    builder: textInput('builder'),
    signKey,
    env: { ...process.env, ...Object.fromEntries(secretsInput('secrets')) },
  };
  const keeper = flagInput('keep-models') ? openModelCache(context, { readOnly: request.dryRun }) : undefined;
  const opened = await openActionProject(context, {});
  const project = keeper === undefined ? opened : { ...opened, keeper };
  const { progress, signal } = context;
  let prover: Prover | undefined;
  const show = buildProgress({ write: (text) => process.stdout.write(text) }, styleFor({}, process.env));
  const made = await releaseProject(project, {
    ...request,
    openProver: async () => (prover = await openProver(context)),
    progress,
    signal,
    onEvent: (event) => show.onEvent(event),
    onPlan: (plan) => {
      for (const warning of plan.warnings) progress.warn(warning);
    },
  }).finally(() => (signal.aborted ? undefined : keeper?.save()));
  core.setOutput('version', made.version);
  core.setOutput('previous', made.previous ?? '');
  core.setOutput('outcome', made.outcome);
  await context.summary(planSummary(made.plan));
  if (made.release === null) {
    core.info(`would release ${made.version}: ${made.tags.map(({ reference }) => reference).join(', ')}`);
    return;
  }
  if (made.layers.length > 0) {
    const moved = made.layers.reduce((sum, { bytes }) => sum + bytes, 0);
    const reused = made.layers.filter(({ outcome }) => outcome === 'reused');
    const saved = await savedBytes(project.store, reused);
    await context.summary(buildSummary(made.layers, { moved, saved }));
  }
  const before = made.previous === null ? undefined : await readRelease(project.store, made.previous);
  const page = releasePage(made.release, before?.release, project.store.name);
  if (made.directory === null) {
    core.info(`${made.version} is released already; its images are those of now`);
    return context.summary(page);
  }
  const sums = await readFile(path.join(made.directory, 'SHA256SUMS'), 'utf8');
  await writeFile(path.join(made.directory, 'subjects.txt'), releaseSubjects(made.release, project.store.name, sums));
  await writeFile(path.join(made.directory, 'page.md'), page);
  core.setOutput('release-file', made.file);
  core.setOutput('directory', made.directory);
  await context.summary(page);
  if (prover !== undefined) await context.summary(proofSummary(prover.decoder));
  if (!withPage) return;
  const address = await publishReleasePage({
    version: made.version,
    body: page,
    directory: made.directory,
    token: context.token,
    progress,
    signal,
  });
  core.setOutput('page', address);
});
