import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import type { LayerFormat } from '../delta/encode-image.ts';
import type { ImageSet } from '../image-source/image.ts';
import { nothing } from '../image-source/nothing.ts';
import { openImages } from '../image-source/open.ts';
import { hostPlatform } from '../oci/platform.ts';
import { openProject } from '../project/open.ts';
import { styleFor } from '../report/failure.ts';
import type { CommandContext } from './command.ts';
import { openOptions, platformOf } from './image-options.ts';

interface DiffOptions {
  output: string;
  format: string;
  signKey?: string;
  platform?: string[];
  name?: string;
  push?: boolean;
}

export function addDiff(ota: Command, contextOf: (command: Command) => CommandContext): void {
  ota
    .command('diff')
    .description(
      'make the delta that turns the images FROM into those of TO; it is applied once before it gets its name',
    )
    .argument(
      '<images...>',
      'FROM… TO: releases (1.2.0), docker-daemon:NAME, docker://NAME, oci:DIR[:REF], oci-archive:FILE, docker-archive:FILE; FROM may be none',
    )
    .requiredOption('-o, --output <path>', 'the file, or a folder for several: <name>_<from>_<to>_<os>-<arch>.ota.tar')
    .option('--sign-key <file>', 'an OpenPGP private key (default: IMGBUILD_SIGNING_KEY)')
    .option(
      '--platform <platform>',
      'for this platform; may be given several times (default: of this machine)',
      collect,
    )
    .option(
      '--format <format>',
      'oci-delta, which other tools read; imgbuild, which codes programs by what they are; or auto, the smaller',
      'auto',
    )
    .option('--name <name>', "the project's name on the device (default: of the release, else of the image)")
    .option('--push', 'publish it as a referrer of each image of TO, in the registry that has it')
    .option('--json', 'print what was made as one JSON document')
    .action(async (names: string[], options: DiffOptions, command) => diff(contextOf(command), names, options));
}

async function diff(context: CommandContext, names: string[], options: DiffOptions): Promise<void> {
  const [to, ...from] = names.toReversed();
  if (to === undefined || from.length === 0) {
    throw new Failure({
      doing: 'making a delta',
      because: 'two images are needed, FROM and TO',
      fix: 'for a bundle that needs no image on the device, write none for FROM',
      kind: 'input',
    });
  }
  if (to === nothing.name) {
    const because = 'TO is none, which is no image';
    throw new Failure({ doing: 'making a delta', because, fix: 'name what devices are to run', kind: 'input' });
  }
  const { makeDelta, bundleFileName } = await import('../delta/make.ts');
  const { withSharedTarget } = await import('../delta/share-target.ts');
  const { makeOutputFolder } = await import('../deb/output-file.ts');
  const { renderDelta, renderPublished } = await import('../report/ota.ts');
  const format = formatOf(options.format, await import('../delta/encode-image.ts'));
  const { findSigningKey } = await import('../signing/openpgp.ts');
  const signKey = await findSigningKey(options.signKey && path.resolve(context.directory, options.signKey));
  const platforms = options.platform?.map((text) => platformOf(text)) ?? [hostPlatform()];
  const output = path.resolve(context.directory, options.output);
  const several = from.length * platforms.length > 1;
  const intoFolder = several || options.output.endsWith('/') || (await isFolder(output));
  if (intoFolder) await makeOutputFolder(output);
  const reports: object[] = [];
  for (const platform of platforms) {
    const opening = openOptions(context, platform);
    const target = await openImages(to, opening);
    const packages = target.packages !== undefined && (await openProject(context)).config.ota.packages;
    try {
      if (options.push === true) await mayPublish(target, context.signal);
      // Of several deltas it is a folder.
      await withSharedTarget(target, from.length, output, async (shared, room) => {
        for (const name of from.toReversed()) {
          const source = await openImages(name, opening);
          try {
            const project = options.name ?? target.project ?? source.project;
            const report = await makeDelta({
              from: source,
              to: shared,
              room,
              format,
              output: intoFolder ? path.join(output, bundleFileName(source, target, project)) : output,
              packages,
              ...(project === undefined ? {} : { name: project }),
              ...(signKey === undefined ? {} : { signKey }),
              progress: context.progress,
              signal: context.signal,
            });
            if (!context.json) context.stdout.write(renderDelta(report, styleFor(context.stdout, process.env)));
            if (options.push !== true) {
              reports.push(report);
              continue;
            }
            const { publishMade } = await import('../release/publish-bundle.ts');
            const published = await publishMade(report, { name: project, from: source, to: target }, context);
            reports.push({ ...report, published });
            if (!context.json) context.stdout.write(renderPublished(published));
          } finally {
            await source.close();
          }
        }
      });
    } finally {
      await target.close();
    }
  }
  if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, deltas: reports })}\n`);
}

/** Asked before anything is made: a delta may take long. */
async function mayPublish(target: ImageSet, signal: AbortSignal): Promise<void> {
  const { checkPublishing, subjectsOf } = await import('../release/publish-bundle.ts');
  await checkPublishing(subjectsOf(target), signal);
}

function formatOf(text: string, { layerFormats }: { layerFormats: readonly LayerFormat[] }): LayerFormat {
  const found = layerFormats.find((each) => each === text);
  if (found !== undefined) return found;
  const because = `there is no format ${JSON.stringify(text)}`;
  throw new Failure({ doing: 'reading --format', because, fix: `write ${layerFormats.join(', ')}`, kind: 'input' });
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, ...value.split(',')];
}

async function isFolder(target: string): Promise<boolean> {
  return stat(target).then(
    (info) => info.isDirectory(),
    () => false,
  );
}
