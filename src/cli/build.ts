import { InvalidArgumentError } from 'commander';
import { buildProject } from '../project/build.ts';
import { openProject } from '../project/open.ts';
import { buildProgress } from '../report/build-progress.ts';
import { styleFor } from '../report/failure.ts';
import { formatSeconds } from '../report/progress.ts';
import type { AddCommand } from './command.ts';

interface BuildOptions {
  force?: boolean;
  load?: boolean;
  frozen?: boolean;
  builder?: string;
  jobs?: number;
}

function readJobs(text: string): number {
  const jobs = Number(text);
  if (Number.isSafeInteger(jobs) && jobs > 0) return jobs;
  throw new InvalidArgumentError('write a whole number from 1 on.');
}

export const addBuild: AddCommand = (program, contextOf) => {
  program
    .command('build')
    .description('build the layers that changed, and save each in the store')
    .argument('[layers...]', 'these layers and what they need (default: all)')
    .option('--force', 'build the named layers (default: all) whatever is saved or cached')
    .option('--load', 'leave the images in the local engine under their declared names')
    .option('--builder <name>', 'build with this buildx builder')
    .option('--jobs <n>', 'at most so many layers at once', readJobs)
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print what was built as one JSON document')
    .action(async (layers: string[], options: BuildOptions, command) => {
      const context = contextOf(command);
      const { stdout, stderr, signal, progress } = context;
      const project = await openProject(context);
      const show = buildProgress(stderr, styleFor(stderr, process.env));
      try {
        const { report } = await buildProject(project, {
          layers,
          force: options.force ?? false,
          load: options.load ?? false,
          frozen: options.frozen ?? false,
          builder: options.builder,
          atOnce: options.jobs,
          progress,
          env: process.env,
          signal,
          onPlan: (plan) => {
            for (const warning of plan.warnings) progress.warn(warning);
          },
          onEvent: (event) => show.onEvent(event),
        });
        if (context.json) {
          stdout.write(`${JSON.stringify(report)}\n`);
          return;
        }
        show.close();
        const built = report.layers.filter(({ outcome }) => outcome !== 'reused').length;
        const reused = report.layers.length - built;
        const what = built === 0 ? 'nothing to build' : `built ${built} of ${report.layers.length} layers`;
        stdout.write(`${what}, ${reused} reused, in ${formatSeconds(report.seconds)}\n`);
      } finally {
        show.close();
      }
    });
};
