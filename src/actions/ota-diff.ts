import * as core from '@actions/core';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Failure } from '../failure.ts';
import { adviceOn } from '../delta/advice.ts';
import { layerFormats } from '../delta/encode-image.ts';
import { inspectBundle } from '../delta/inspect.ts';
import { bundleFileName, makeDelta } from '../delta/make.ts';
import { withSharedTarget } from '../delta/share-target.ts';
import { openImages, type OpenOptions } from '../image-source/open.ts';
import type { ImageSet } from '../image-source/image.ts';
import { parsePlatform, platformName } from '../oci/platform.ts';
import { checkPublishing, publishMade, subjectsOf } from '../release/publish-bundle.ts';
import { styleFor } from '../report/failure.ts';
import { adviceText } from '../report/advice.ts';
import { deltaSummary, type SummarizedDelta } from '../report/github-summary.ts';
import { otaPage } from '../report/ota-page.ts';
import { renderDelta } from '../report/ota.ts';
import { runAction } from './action.ts';
import { deltaOutput } from './delta-output.ts';
import { platformsOf } from './delta-platforms.ts';
import { deltaSources } from './delta-sources.ts';
import { choiceInput, flagInput, namesInput, requiredInput, wrongInput } from './inputs.ts';
import { openActionProject } from './project.ts';
import { openProver } from './prover.ts';
import { signKeyInput } from './sign-key-input.ts';
import { overBudget, sizeBudgetInput } from './size-budget.ts';

await runAction(async (context) => {
  const to = requiredInput('to');
  const budget = sizeBudgetInput();
  const whenOver = choiceInput('over-budget', ['fail', 'warn']);
  const push = flagInput('push');
  const format = choiceInput('format', layerFormats);
  const signKey = await signKeyInput();
  if (signKey === undefined && !flagInput('allow-unsigned')) {
    const fix = 'set sign-key to an OpenPGP private key, or allow-unsigned to true';
    throw wrongInput('sign-key', 'devices take signed deltas only, and there is no key', fix);
  }
  const { config, store } = await openActionProject(context, {});
  const from = await deltaSources(store, namesInput('from'), to);
  const directory = path.resolve(context.directory, requiredInput('output'));
  await mkdir(directory, { recursive: true });
  const prover = await openProver(context);

  const deltas: SummarizedDelta[] = [];
  const declared = [...new Set(config.layers.flatMap((layer) => layer.platforms.map(platformName)))];
  const named = await Promise.all(
    from.map(async (version) => ({ version, platforms: await platformsOf(store, version, declared) })),
  );
  for (const name of await platformsOf(store, to, declared)) {
    const platform = parsePlatform(name);
    const opening = { directory: context.directory, platform, store: async () => store, signal: context.signal };
    const sources = named.filter(({ platforms }) => platforms.includes(name));
    for (const { version } of named.filter((one) => !sources.includes(one)))
      context.progress.warn(`${version} has no image for ${name}: no delta to ${to} is made for it`);
    if (sources.length === 0) continue;
    await withImages(to, opening, async (target) => {
      if (push) await checkPublishing(subjectsOf(target), context.signal);
      await withSharedTarget(target, sources.length, directory, async (shared, room) => {
        for (const { version } of sources) {
          await withImages(version, opening, async (source) => {
            const project = target.project ?? config.name;
            const report = await makeDelta({
              from: source,
              to: shared,
              room,
              format,
              output: path.join(directory, bundleFileName(source, target, project)),
              name: project,
              packages: config.ota.packages,
              ...(signKey === undefined ? {} : { signKey }),
              prover,
              progress: context.progress,
              signal: context.signal,
            });
            core.info(renderDelta(report, styleFor({}, process.env)));
            const inspecting = {
              from: source,
              temporary: context.temporary,
              progress: context.progress,
              signal: context.signal,
            };
            const inspected = await inspectBundle(report.path, report.bytes, inspecting);
            const page = report.path.replace(/\.ota\.tar$/, '.html');
            await writeFile(page, otaPage(inspected));
            const advice = adviceOn(inspected).map(adviceText);
            const isRefused = whenOver === 'fail' && overBudget(report, budget) !== undefined;
            const published =
              push && !isRefused ? await publishMade(report, { name: project, from: source, to: target }, context) : [];
            deltas.push({ ...report, platform: name, page: path.basename(page), advice, published });
          });
        }
      });
    });
  }
  if (deltas.length === 0) {
    const because = `${to} has images for no platform that ${from.join(' or ')} has images for`;
    throw wrongInput('from', because, 'name a release that has one of its platforms');
  }
  core.setOutput('deltas', JSON.stringify(deltas.map(deltaOutput)));
  core.setOutput('directory', directory);
  await context.summary(deltaSummary(deltas));
  const over = deltas.flatMap((delta) => overBudget(delta, budget) ?? []);
  if (over.length === 0) return;
  if (whenOver === 'warn') return over.forEach((text) => context.progress.warn(text));
  throw new Failure({
    doing: 'keeping deltas within their budget',
    because: over.join('; '),
    fix: '`imgbuild ota inspect FILE` says what makes it large; raise the limit where it must be, or set over-budget: warn',
  });
});

async function withImages(name: string, options: OpenOptions, use: (set: ImageSet) => Promise<void>): Promise<void> {
  const images = await openImages(name, options);
  try {
    await use(images);
  } finally {
    await images.close();
  }
}
