import { examine } from '../build/examine.ts';
import { Failure, Failures } from '../failure.ts';
import { findConfig } from '../config/find.ts';
import { loadConfig } from '../config/load.ts';
import { neededPrograms } from '../project/needed-programs.ts';
import { renderExamination } from '../report/examination.ts';
import { styleFor } from '../report/failure.ts';
import type { AddCommand } from './command.ts';

export const addDoctor: AddCommand = (program, contextOf) => {
  program
    .command('doctor')
    .description('say what stands in the way of a build: engine, rights, disk, registry, programs')
    .option('--builder <name>', 'look at this buildx builder')
    .option('--json', 'print the findings as one JSON document')
    .action(async (options: { builder?: string }, command) => {
      const context = contextOf(command);
      const file = context.file ?? (await findConfig(context.directory).catch(() => undefined));
      const config = file === undefined ? undefined : await loadConfig(file).catch(readable);
      const isRead = config !== undefined && !(config instanceof Failure) && !(config instanceof Failures);
      const findings = await examine({
        config,
        needed: isRead ? await neededPrograms(config, process.env) : [],
        directory: context.directory,
        env: process.env,
        builder: options.builder,
        signal: context.signal,
      });
      const failed = findings.some(({ level }) => level === 'error');
      if (context.json) context.stdout.write(`${JSON.stringify({ schema: 1, ready: !failed, findings })}\n`);
      else context.stdout.write(renderExamination(findings, styleFor(context.stdout, process.env)));
      if (failed) process.exitCode = 1;
    });
};

/** What is wrong with a configuration is one of the findings. */
function readable(error: unknown): Failure | Failures {
  if (error instanceof Failure || error instanceof Failures) return error;
  throw error;
}
