import type { OtherInput } from '../plan/input.ts';
import type { Analysis, AnalysisOptions } from './analysis.ts';
import { imageUses } from './images.ts';
import { neededStages, type NeededStage } from './needed.ts';
import type { Dockerfile } from './parse.ts';
import { StageReader } from './stage-reader.ts';
import { readStages, type StageOptions, type Stages } from './stages.ts';

/** Frontends that read Dockerfiles as BuildKit's own does. */
const dockerfileFrontend = /(^|\/)docker\/dockerfile(-upstream)?(:|@|$)/;

/** Args for the builder itself, which no ARG declares: another frontend, the steps' host name, … */
export function isBuilderArg(name: string): boolean {
  return name.startsWith('BUILDKIT_');
}

/** What building the target reads. Throws a Failure where BuildKit would refuse the Dockerfile too. */
export function analyse(dockerfile: Dockerfile, options: AnalysisOptions): Analysis {
  const stages = readStages(dockerfile, options);
  const needed = neededStages(dockerfile, stages, options.traitsOf);
  const reader = new StageReader(dockerfile, options, stages, needed);
  for (const stage of needed) reader.readStage(stage);

  const syntax = dockerfile.directives.find(({ name }) => name === 'syntax');
  if (syntax && !dockerfileFrontend.test(syntax.value)) {
    reader.unresolved.push({ at: syntax.at, why: `the frontend ${syntax.value} may read anything` });
  }
  let last = stages.target;
  while (last.base.kind === 'stage') last = last.base.stage;
  return {
    inputs: [...directiveInputs(dockerfile, options), ...globalInputs(stages, needed), ...reader.inputs],
    images: imageUses(dockerfile, stages, needed, options),
    files: reader.files,
    packages: reader.packages,
    ignoredFailures: reader.ignoredFailures,
    scripts: reader.scripts,
    base: last.base.kind === 'image' ? last.base.reference : 'scratch',
    traits: reader.traits(stages.target),
    unresolved: reader.unresolved,
    unpinned: reader.unpinned,
    declaredArgs: [...new Set([...needed.flatMap(({ stage }) => [...stage.globals]), ...reader.declared])].toSorted(),
    ...(syntax ? { syntax: { reference: syntax.value, at: syntax.at } } : {}),
  };
}

function directiveInputs(dockerfile: Dockerfile, options: StageOptions): OtherInput[] {
  const inputs = dockerfile.directives.flatMap(({ name, value }): OtherInput[] =>
    name === 'check' ? [] : [{ kind: 'directive', name, value }],
  );
  for (const [name, value] of Object.entries(options.args)) {
    if (isBuilderArg(name)) inputs.push({ kind: 'arg', stage: 'global', name, value });
  }
  return inputs;
}

function globalInputs(stages: Stages, needed: readonly NeededStage[]): OtherInput[] {
  const names = new Set(needed.flatMap(({ stage }) => [...stage.globals]));
  return [...names].map((name) => {
    return { kind: 'arg', stage: 'global', name, value: stages.globals.get(name)?.value ?? null };
  });
}
