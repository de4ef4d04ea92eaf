import { resolve } from 'node:path';
import type { Command } from 'commander';
import { buildProject } from '../project/build.ts';
import { openPaiProject } from '../project/pai.ts';
import { pushProject } from '../project/push.ts';
import { readCluster, type ClusterRegistry } from '../import/pai/cluster.ts';
import { buildProgress } from '../report/build-progress.ts';
import { styleFor } from '../report/failure.ts';
import { formatSeconds } from '../report/progress.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface PaiCommandOptions {
  configPath?: string;
  imageName?: string[];
  force?: boolean;
  frozen?: boolean;
}

export const addPai: AddCommand = (program, contextOf) => {
  const pai = program.command('pai').description('the commands of OpenPAI: image build, image push');
  const image = pai.command('image').description("build or push the images of a tree of OpenPAI's components");
  addOptions(image.command('build').description('build the images that changed, and leave them in the local engine'))
    .option('--force', 'build whatever is saved or cached')
    .action(async (options: PaiCommandOptions, command) => build(contextOf(command), options));
  addOptions(image.command('push').description("push the images to the cluster's registry, with its tag")).action(
    async (options: PaiCommandOptions, command) => push(contextOf(command), options),
  );
};

function addOptions(command: Command): Command {
  return command
    .option('-p, --config-path <dir>', 'the cluster configuration: registry, namespace, tag and login (default: none)')
    .option('-n, --image-name <name...>', 'these images (default: all)')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print one JSON document');
}

async function clusterOf(context: CommandContext, options: PaiCommandOptions): Promise<ClusterRegistry | undefined> {
  return options.configPath === undefined ? undefined : readCluster(resolve(context.directory, options.configPath));
}

async function build(context: CommandContext, options: PaiCommandOptions): Promise<void> {
  const { stdout, stderr, signal, progress } = context;
  // What is wrong in it is told before a build of an hour.
  await clusterOf(context, options);
  const { project, images } = await openPaiProject(context, options.imageName ?? []);
  const show = buildProgress(stderr, styleFor(stderr, process.env));
  try {
    const { report } = await buildProject(project, {
      layers: images,
      force: options.force ?? false,
      load: true,
      frozen: options.frozen ?? false,
      progress,
      env: process.env,
      signal,
      onPlan: (plan) => {
        for (const warning of plan.warnings) progress.warn(warning);
      },
      onEvent: (event) => show.onEvent(event),
    });
    show.close();
    if (context.json) {
      stdout.write(`${JSON.stringify(report)}\n`);
      return;
    }
    const built = report.layers.filter(({ outcome }) => outcome !== 'reused').length;
    const reused = report.layers.length - built;
    stdout.write(
      `built ${built} of ${report.layers.length} images, ${reused} reused, in ${formatSeconds(report.seconds)}\n`,
    );
  } finally {
    show.close();
  }
}

async function push(context: CommandContext, options: PaiCommandOptions): Promise<void> {
  const { stdout, signal, progress } = context;
  const cluster = await clusterOf(context, options);
  const { project, images } = await openPaiProject(context, options.imageName ?? []);
  const credential = cluster?.credential;
  const pushed = await pushProject(project, {
    images,
    tags: [cluster?.tag ?? 'latest'],
    frozen: options.frozen ?? false,
    progress,
    signal,
    ...(cluster ? { to: [cluster.domain, cluster.namespace].filter((part) => part !== '').join('/') } : {}),
    ...(credential ? { credentials: async () => ({ kind: 'password', ...credential }) } : {}),
  });
  if (context.json) stdout.write(`${JSON.stringify({ schema: 1, images: pushed })}\n`);
  else for (const { reference, digest } of pushed) stdout.write(`${reference}  ${digest}\n`);
}
