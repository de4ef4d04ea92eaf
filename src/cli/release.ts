import path from 'node:path';
import { openProject } from '../project/open.ts';
import { releaseProject, type ProjectRelease } from '../project/release.ts';
import type { Release } from '../release/release-json.ts';
import { buildProgress } from '../report/build-progress.ts';
import { styleFor } from '../report/failure.ts';
import { formatBytes } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface ReleaseCommandOptions {
  version: string;
  previous?: string;
  dryRun?: boolean;
  output?: string;
  signKey?: string;
  builder?: string;
  frozen?: boolean;
}

export const addRelease: AddCommand = (program, contextOf) => {
  program
    .command('release')
    .description('build what changed, tag the images, pack packages and deltas, and commit all as one version')
    .requiredOption('--version <version>', 'with or without v: 1.2.0')
    .option('--previous <version>', 'the release before (default: the highest below that is not yanked)')
    .option('--dry-run', 'say what would happen, and change nothing')
    .option('-o, --output <dir>', 'where packages, deltas and release.json go (default: .imgbuild/release/VERSION)')
    .option('--sign-key <file>', 'an OpenPGP private key for deltas and checksums (default: IMGBUILD_SIGNING_KEY)')
    .option('--builder <name>', 'build with this buildx builder')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print the release as one JSON document')
    .action(async (options: ReleaseCommandOptions, command) => {
      const context = contextOf(command);
      const { directory, stdout, stderr, progress, signal } = context;
      const project = await openProject(context);
      const { findSigningKey } = await import('../signing/openpgp.ts');
      const signKey = await findSigningKey(options.signKey && path.resolve(directory, options.signKey));
      const show = buildProgress(stderr, styleFor(stderr, process.env));
      let result: ProjectRelease;
      try {
        result = await releaseProject(project, {
          version: options.version,
          previous: options.previous,
          dryRun: options.dryRun ?? false,
          output: options.output && path.resolve(directory, options.output),
          frozen: options.frozen ?? false,
          builder: options.builder,
          signKey,
          env: process.env,
          progress,
          signal,
          onPlan: (plan) => {
            for (const warning of plan.warnings) progress.warn(warning);
          },
          onEvent: (event) => show.onEvent(event),
        });
      } finally {
        show.close();
      }
      if (context.json) stdout.write(`${JSON.stringify(documentOf(result))}\n`);
      else stdout.write(renderRelease(result, context));
    });
};

/** release.json's own keys, with what this run did. */
function documentOf(result: ProjectRelease) {
  const { outcome, version, previous, release, plan, tags, directory, file } = result;
  const missing = result.missing.map((delta) => delta.file);
  const builds = plan.layers
    .filter(({ action }) => action === 'build')
    .map(({ name, platform, fingerprint }) => ({ name, platform, fingerprint }));
  return { ...release, schema: 1, outcome, version, previous, builds, tags, directory, file, missing };
}

function renderRelease(result: ProjectRelease, context: CommandContext): string {
  const { outcome, version, previous, release, plan, tags, directory, missing } = result;
  const after = previous === null ? 'the first one' : `after ${previous}`;
  if (outcome === 'dry-run' && release !== null) {
    return lines([`${version} is released already, ${after}; its images are those of now`, ...contents(release)]);
  }
  if (outcome === 'dry-run') {
    const builds = plan.layers.filter(({ action }) => action === 'build');
    return lines([
      `would release ${version}, ${after}`,
      builds.length === 0
        ? '  nothing would be built'
        : `  would build ${builds.map(({ name, platform }) => `${name} (${platform})`).join(', ')}`,
      ...tags.map(({ reference }) => `  would put ${reference}`),
    ]);
  }
  const lost = new Set(missing.map(({ file }) => file));
  const files = [...(release?.debs ?? []), ...(release?.deltas ?? [])].filter(({ file }) => !lost.has(file));
  const folder = directory === null ? '' : path.relative(context.directory, directory) || '.';
  return lines([
    outcome === 'unchanged' ? `${version} is released already; nothing changed` : `released ${version}, ${after}`,
    ...tags.map(({ reference, digest }) => `  ${reference}  ${digest}`),
    ...files.map(({ file, size }) => `  ${path.join(folder, file)}  ${formatBytes(size)}`),
    `  ${path.join(folder, 'release.json')}`,
  ]);
}

/** What a release holds, as it was made: its files may lie elsewhere. */
function contents({ images, debs, models, deltas }: Release): string[] {
  return [
    ...images.map(({ repository, platform, digest }) => `  ${repository} (${platform})  ${digest}`),
    ...models.map(({ name, size }) => `  model ${name}  ${formatBytes(size)}`),
    ...[...debs, ...deltas].map(({ file, size }) => `  ${file}  ${formatBytes(size)}`),
  ];
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('');
}
