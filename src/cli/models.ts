import path from 'node:path';
import { makeOutputFolder } from '../deb/output-file.ts';
import { Failure } from '../failure.ts';
import { isUnused, listCache, removeFromCache, unusedAfter } from '../fetch/clean-cache.ts';
import { placeModel } from '../model/place.ts';
import { surveyModels } from '../model/survey.ts';
import { fetchModels, openCache, planModels, pushModels } from '../project/models.ts';
import { openProject, type Project } from '../project/open.ts';
import { modelPlanJson, renderCache, renderFiles, renderModelPlan, renderPublished } from '../report/models.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface ModelsOptions {
  push?: boolean;
  list?: boolean;
  check?: boolean;
  output?: string;
  version?: string;
  force?: boolean;
  clean?: boolean;
  yes?: boolean;
}

export const addModels: AddCommand = (program, contextOf) => {
  program
    .command('models')
    .description('fetch, check and convert the models that the configuration names; publish them')
    .argument('[models...]', 'these models (default: all)')
    .option('--push', 'publish them in the store as ModelPack artifacts; what is unchanged moves nothing')
    .option('--version <version>', 'with --push: the release that new models are made for')
    .option('-o, --output <dir>', 'put the files into DIR/MODEL/')
    .option('--list', 'say what --push would do and why, and fetch nothing')
    .option('--check', 'check patterns, places and the sums of local files, and fetch nothing')
    .option('--force', 'with --push or --list: as if nothing was published yet')
    .option('--clean', `list what of the cache nobody has used for ${unusedAfter} days; with --yes remove it`)
    .option('--yes', 'with --clean: remove it')
    .option('--json', 'print the models as one JSON document')
    .action(async (names: string[], options: ModelsOptions, command) => {
      refuseMixed(options, names);
      const context = contextOf(command);
      const project = await openProject({ ...context });
      const only = names.length === 0 ? undefined : names;
      const { progress, signal } = context;
      const request = { only, env: process.env, progress, signal, force: options.force ?? false };
      const print = (json: () => unknown, text: () => string) => {
        if (context.json) context.stdout.write(`${JSON.stringify(json())}\n`);
        else context.stdout.write(project.config.models.length === 0 ? 'no models: models: is empty\n' : text());
      };
      if (options.check === true) return check(project, context, only);
      if (options.clean === true) return clean(project, context, options.yes ?? false);
      if (options.list === true) {
        const planned = await planModels(project, request);
        print(
          () => ({ schema: 1, store: project.store.name, models: planned.map(modelPlanJson) }),
          () => renderModelPlan(planned),
        );
        return;
      }
      if (options.push === true) {
        const published = await pushModels(project, { ...request, version: options.version });
        const sized = published.map((model) => ({ ...model, size: total(model.files) }));
        const models = sized.map(({ files, ...model }) => ({ ...model, files: files.map(bare) }));
        print(
          () => ({ schema: 1, store: project.store.name, models }),
          () => renderPublished(published, project.store.name),
        );
        return;
      }
      const fetched = await fetchModels(project, request);
      if (options.output !== undefined) {
        const directory = path.resolve(context.directory, options.output);
        await makeOutputFolder(directory);
        for (const { surveyed, files } of fetched) {
          await placeModel(surveyed.model.name, files, directory, { progress, signal });
        }
      }
      const models = fetched.map(({ surveyed: { model }, files }) => ({
        name: model.name,
        ...(model.license === undefined ? {} : { license: model.license }),
        ...(model.format === undefined ? {} : { format: model.format }),
        targets: model.targets,
        size: total(files),
        files: files.map(bare),
      }));
      print(
        () => ({ schema: 1, models }),
        () => renderFiles(models),
      );
    });
};

async function check(project: Project, context: CommandContext, only: readonly string[] | undefined): Promise<void> {
  const { progress, signal, stdout, json } = context;
  const { config } = project;
  const surveyed = await surveyModels({ config, only, cache: await openCache(project, process.env), progress, signal });
  const models = surveyed.map(({ model, local, remote }) => ({
    name: model.name,
    files: local.length,
    toFetch: remote.length,
  }));
  if (json) stdout.write(`${JSON.stringify({ schema: 1, models })}\n`);
  else {
    const what = `${models.length} ${models.length === 1 ? 'model' : 'models'}`;
    stdout.write(`${what}: every pattern matches, every place has one file, every local file has its sum\n`);
  }
}

/** The cache is this user's, whatever the checkout. */
async function clean(project: Project, context: CommandContext, yes: boolean): Promise<void> {
  const { stdout, json, signal } = context;
  const { folder } = await openCache(project, process.env);
  const items = await listCache(folder);
  const now = new Date();
  const unused = items.filter((item) => isUnused(item, now));
  const removed = yes ? await removeFromCache(folder, unused, signal) : null;
  if (json) stdout.write(`${JSON.stringify({ schema: 1, folder, items, unused, removed })}\n`);
  else stdout.write(renderCache({ folder, items, unused, removed, now }));
}

function total(files: readonly { size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** Of a file what others may rely on. */
function bare({ path: place, size, sha256 }: { path: string; size: number; sha256: string }) {
  return { path: place, size, sha256 };
}

function refuseMixed(options: ModelsOptions, names: readonly string[]): void {
  const { push, list, check: checked, output, version, force, clean: cleaned, yes } = options;
  const commands = { '--push': push, '--list': list, '--check': checked, '--clean': cleaned, '-o': output };
  const chosen = Object.entries(commands).filter(([, value]) => value !== undefined);
  const wrong = (because: string, fix: string) =>
    new Failure({ doing: 'reading the options of models', because, fix, kind: 'input' });
  if (chosen.length > 1) {
    const [first, second] = chosen.map(([name]) => name);
    throw wrong(`${first} and ${second} are two commands`, 'give one of them');
  }
  if (yes === true && cleaned !== true) throw wrong('--yes is for --clean', 'add --clean, or leave it out');
  if (cleaned === true && names.length > 0) {
    throw wrong('--clean is of the whole cache, which knows no models', 'leave the names out');
  }
  if (version !== undefined && push !== true) {
    throw wrong('--version is of what is published', 'add --push, or leave it out');
  }
  if (force === true && push !== true && list !== true) {
    throw wrong('--force is for --push and --list', 'add one of them, or leave it out');
  }
}
