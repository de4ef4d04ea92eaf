import type { Config } from '../config/config.ts';
import { Failure } from '../failure.ts';
import { openProject } from '../project/open.ts';
import { pushProject } from '../project/push.ts';
import type { AddCommand } from './command.ts';

interface PushCommandOptions {
  tag?: string[];
  to?: string;
  frozen?: boolean;
}

export const addPush: AddCommand = (program, contextOf) => {
  program
    .command('push')
    .description('put tags on saved images: a manifest moves, never a layer')
    .argument('[images...]', 'names of layers or images (default: those that a release has)')
    .option('--tag <tags...>', 'tags to put, besides those that imgbuild.yaml declares')
    .option('--to <repository>', 'push to this registry and path, or folder, instead of the store')
    .option('--frozen', 'refuse to resolve what imgbuild.lock lacks')
    .option('--json', 'print what the tags stand on as one JSON document')
    .action(async (images: string[], options: PushCommandOptions, command) => {
      const context = contextOf(command);
      const { json, stdout, progress, signal } = context;
      const project = await openProject(context);
      const { tag: tags = [], to, frozen = false } = options;
      refuseSwallowed(project.config, images, tags);
      const pushed = await pushProject(project, { images, tags, to, frozen, progress, signal });
      if (json) {
        stdout.write(`${JSON.stringify({ schema: 1, images: pushed })}\n`);
        return;
      }
      for (const { reference, digest, outcome } of pushed) {
        stdout.write(`${reference}  ${digest}${outcome === 'present' ? '  (was there)' : ''}\n`);
      }
    });
};

/** `--tag latest service` has taken the image for a second tag. */
function refuseSwallowed({ layers }: Config, images: readonly string[], tags: readonly string[]): void {
  const image = tags.slice(1).find((tag) => layers.some(({ name, image: own }) => tag === name || tag === own.path));
  if (images.length > 0 || image === undefined) return;
  throw new Failure({
    doing: 'reading --tag',
    because: `${image} is an image, and stands among the tags`,
    fix: `write images in front: imgbuild push ${image} --tag ${tags[0]}`,
    kind: 'input',
  });
}
