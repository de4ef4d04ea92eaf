import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { Failure } from '../failure.ts';
import { importTree, writeImported, type Imported } from '../import/import-tree.ts';
import { orders, type Order } from '../import/envd/order.ts';
import { foreignTrees } from '../import/kinds.ts';
import type { AddCommand, CommandContext } from './command.ts';

interface ImportCommandOptions {
  kind?: string;
  image: string[];
  order: string;
  show?: boolean;
  write?: boolean;
}

const kinds = foreignTrees.map(({ kind }) => kind).join(', ');

export const addImport: AddCommand = (program, contextOf) => {
  program
    .command('import')
    .description("print the imgbuild.yaml that another system's tree amounts to")
    .argument('[folder]', 'the tree (default: this folder)')
    .option('--kind <kind>', `what the tree is: ${kinds} (default: what is found)`)
    .option('--image <name=reference>', 'the image that the tree means by a name; may be repeated', collect, [])
    .option('--order <order>', 'how the steps of a build.envd are taken: written, envd-v0 or envd-v1', 'written')
    .option('--show', 'print the Dockerfiles, too')
    .option('--write', 'write imgbuild.yaml and the Dockerfiles; nothing is written over')
    .option('--json', 'print what was found as one JSON document')
    .action(async (folder: string | undefined, options: ImportCommandOptions, command: Command) => {
      const context = contextOf(command);
      const root = resolve(context.directory, folder ?? '.');
      const imported = await importTree(root, options.kind, {
        images: imagesOf(options.image),
        order: orderOf(options.order),
      });
      const written = options.write ? await writeImported(root, imported) : [];
      print(context, imported, { root, show: options.show === true, written });
    });
};

function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

function imagesOf(given: readonly string[]): Map<string, string> {
  return new Map(
    given.map((text) => {
      const equals = text.indexOf('=');
      if (equals > 0 && equals < text.length - 1) return [text.slice(0, equals), text.slice(equals + 1)];
      const because = `${JSON.stringify(text)} names no image`;
      throw new Failure({ doing: 'reading --image', because, fix: 'write --image NAME=REFERENCE', kind: 'input' });
    }),
  );
}

function orderOf(text: string): Order {
  const order = orders.find((each) => each === text);
  if (order) return order;
  throw new Failure({
    doing: 'reading --order',
    because: `there is no order ${JSON.stringify(text)}`,
    fix: `write --order ${orders.join(', ')}`,
    kind: 'input',
  });
}

function print(
  { json, stdout, progress }: CommandContext,
  imported: Imported,
  { root, show, written }: { root: string; show: boolean; written: string[] },
): void {
  const { kind, config, files, advice, failures, layers } = imported;
  const place = (at: Failure['at']) => (at ? `${at.file}:${at.line}: ` : '');
  if (json) {
    const untranslated = failures.map(({ because, fix, at }) => ({ file: at?.file, line: at?.line, because, fix }));
    const told = advice.map(({ at, text }) => ({ file: at.file, line: at.line, text }));
    const document = { schema: 1, kind, root, config, files, layers, advice: told, untranslated, written };
    stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  for (const { at, because, fix } of failures) {
    progress.warn(`${place(at)}not translated: ${because}${fix === undefined ? '' : ` (${fix})`}`);
  }
  for (const { at, text } of advice) progress.note(`${place(at)}${text}`);
  if (written.length > 0) {
    for (const path of written) stdout.write(`${join(root, path)} written\n`);
    progress.note('look it over, then: imgbuild lock, imgbuild plan');
    return;
  }
  stdout.write(config);
  if (show) for (const { path, text } of files) stdout.write(`\n# ${path}\n${text}`);
}
