import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runChecked } from '../../src/process/run.ts';

export type Entry =
  | { kind: 'file'; content: string; mode: number }
  | { kind: 'link'; target: string }
  | { kind: 'folder'; mode: number };

/** One instruction of a Dockerfile with what belongs to it, or a comment; `tags` let edits find it. */
export interface Line {
  text: string;
  tags: readonly string[];
}

export type LayerName = 'base' | 'app';

/**
 * A repository with two layers, app on base, in memory. Paths are relative to its root; `base/` and `app/` are the
 * contexts, folders that hold something are not listed.
 */
export interface World {
  id: string;
  files: Map<string, Entry>;
  dockerfiles: Record<LayerName, Line[]>;
  /** Of app's context. */
  ignore: string[];
  /** `<Dockerfile>.dockerignore` of app, which takes the place of the context's own. */
  ownIgnore: string[] | undefined;
  args: Record<string, string>;
  target: string | undefined;
  copy: { src: string; dst: string }[];
  /** Of app. */
  labels: Record<string, string>;
  /** Of app; the machine's own where absent. */
  platform: string | undefined;
  /** Which of the two outside images stands under the tag that base begins with. */
  outside: 'a' | 'b';
}

export const outsideReference = (world: World) => `outside${world.id}:1`;
/** The outside image that app may copy from. */
export const outerReference = (world: World) => `outer${world.id}:1`;
export const imageReference = (world: World, layer: LayerName) => `${layer}${world.id}:1`;

export function configText(world: World): string {
  const layers = {
    base: { context: 'base', image: imageReference(world, 'base') },
    app: {
      context: 'app',
      image: imageReference(world, 'app'),
      ...(world.target === undefined ? {} : { target: world.target }),
      ...(world.copy.length === 0 ? {} : { copy: world.copy }),
      ...(Object.keys(world.labels).length === 0 ? {} : { labels: world.labels }),
      ...(world.platform === undefined ? {} : { platforms: [world.platform] }),
    },
  };
  // JSON is YAML.
  return JSON.stringify({ version: 1, name: `world${world.id}`, store: './store', args: world.args, layers });
}

/** The whole repository as files: what the world says in other fields written out. */
function allFiles(world: World): Map<string, Entry> {
  const text = (content: string): Entry => ({ kind: 'file', content, mode: 0o644 });
  const files = new Map(world.files);
  files.set('imgbuild.yaml', text(configText(world)));
  for (const layer of ['base', 'app'] as const) {
    files.set(`${layer}/Dockerfile`, text(world.dockerfiles[layer].map((line) => line.text).join('\n') + '\n'));
  }
  if (world.ignore.length > 0) files.set('app/.dockerignore', text(world.ignore.join('\n') + '\n'));
  if (world.ownIgnore) files.set('app/Dockerfile.dockerignore', text(world.ownIgnore.join('\n') + '\n'));
  return files;
}

/** The repository on the disk. Only what changed is written, so that times of the rest stay. */
export class Checkout {
  readonly root: string;
  #written = new Map<string, Entry>();

  constructor(root: string) {
    this.root = root;
  }

  async write(world: World): Promise<void> {
    const files = allFiles(world);
    const same = (one: Entry | undefined, other: Entry) => JSON.stringify(one) === JSON.stringify(other);
    for (const name of this.#written.keys()) {
      if (!same(this.#written.get(name), files.get(name)!))
        await rm(path.join(this.root, name), { recursive: true, force: true });
    }
    for (const name of [...this.#written.keys()].filter((one) => !files.has(one)))
      await this.#removeEmpty(path.dirname(name), files);
    for (const [name, entry] of files) {
      if (same(this.#written.get(name), entry)) continue;
      const file = path.join(this.root, name);
      await mkdir(path.dirname(file), { recursive: true, mode: 0o755 });
      // A folder of that name may hold what an edit on the disk has put there.
      if (entry.kind !== 'folder') await rm(file, { recursive: true, force: true });
      if (entry.kind === 'link') await symlink(entry.target, file);
      else {
        if (entry.kind === 'folder') await mkdir(file, { recursive: true });
        else await writeFile(file, entry.content);
        await chmod(file, entry.mode);
      }
    }
    this.#written = files;
  }

  /** Folders that nothing is in any more go, as in a checkout by git. */
  async #removeEmpty(folder: string, files: Map<string, Entry>): Promise<void> {
    if (folder === '.' || folder === 'app' || folder === 'base' || files.has(folder)) return;
    const full = path.join(this.root, folder);
    if ((await readdir(full).catch(() => ['gone'])).length > 0) return;
    await rm(full, { recursive: true });
    await this.#removeEmpty(path.dirname(folder), files);
  }

  /** A repository whose index knows the files as they are now. */
  async commit(): Promise<void> {
    const git = (...args: string[]) => runChecked('git', ['-C', this.root, ...args]);
    await git('init', '--quiet');
    await git('add', '--all');
    await git('-c', 'user.name=test', '-c', 'user.email=test@example.org', 'commit', '--quiet', '--message', 'World');
  }
}
