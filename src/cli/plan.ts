import { dirname } from 'node:path';
import type { Command } from 'commander';
import { findConfig } from '../config/find.ts';
import { openWorkTree } from '../context/work-tree.ts';
import { styleFor } from '../report/failure.ts';
import type { AddCommand } from './command.ts';

interface PlanOptions {
  explain?: string;
  against?: string;
  frozen?: boolean;
}

export const addPlan: AddCommand = (program, contextOf) => {
  program
    .command('plan')
    .description('say which layers would be built, and why; nothing is written or pulled')
    .argument('[layers...]', 'these layers and what they need (default: all)')
    .option('--explain <layer>', 'the whole input list of this layer against that of the last saved one')
    .option('--against <version>', 'compare all layers with this release instead of the last builds of the branch')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print the plan as one JSON document')
    .action(async (layers: string[], options: PlanOptions, command: Command) => {
      const context = contextOf(command);
      // Not by Option.conflicts: the flag may stand in front of the command, where it is the program's.
      if (context.json && options.explain !== undefined) {
        command.error("error: option '--explain <layer>' is for people and cannot be used with option '--json'");
      }
      const { signal } = context;
      const file = context.file ?? (await findConfig(context.directory));
      // Git lists the files while the rest of the program is loaded and the configuration is read.
      const tree = openWorkTree(dirname(file), { signal });
      tree.catch(() => {});
      const [{ openProject }, { planProject }, { renderPlan }, { renderExplanation }, { layersNamed }] =
        await Promise.all([
          import('../project/open.ts'),
          import('../project/plan.ts'),
          import('../report/plan.ts'),
          import('../report/explain.ts'),
          import('../plan/graph.ts'),
        ]);
      const project = await openProject({ ...context, file });
      const { plan, builds } = await planProject(project, {
        tree,
        layers: options.explain === undefined ? layers : [options.explain],
        force: [],
        frozen: options.frozen ?? false,
        against: options.against,
        progress: context.progress,
        signal,
      });
      const style = styleFor(context.stdout, process.env);
      for (const warning of plan.warnings) context.progress.warn(warning);
      if (context.json) context.stdout.write(`${JSON.stringify(plan)}\n`);
      else if (options.explain === undefined) context.stdout.write(renderPlan(plan, style));
      else {
        const [explained] = layersNamed(project.config, [options.explain]);
        for (const build of builds.filter(({ planned }) => planned.name === explained)) {
          context.stdout.write(renderExplanation(build, style));
        }
      }
    });
};
