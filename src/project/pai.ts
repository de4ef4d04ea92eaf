import { basename, dirname, join } from 'node:path';
import { findConfig } from '../config/find.ts';
import { nameFrom } from '../config/infer.ts';
import { Failure } from '../failure.ts';
import { diskAt } from '../import/disk.ts';
import { paiTree } from '../import/pai/tree.ts';
import { layersNamed } from '../plan/graph.ts';
import { openProject, type Project, type ProjectPlace } from './open.ts';

/**
 * A repository with a tree of OpenPAI: what its imgbuild.yaml includes, or, where there is none, the tree in this folder.
 * `wanted`: names of images; all of the tree's where empty. Throws a Failure where there is no such tree.
 */
export async function openPaiProject(
  place: ProjectPlace,
  wanted: readonly string[],
): Promise<{ project: Project; images: string[] }> {
  const project = await open(place);
  const { config } = project;
  const included = config.included?.pai;
  if (!included) {
    throw new Failure({
      doing: `reading ${config.file}`,
      because: 'it includes no tree of OpenPAI',
      fix: 'write include: { pai: ./pai-management }',
      kind: 'input',
    });
  }
  return { project, images: wanted.length > 0 ? layersNamed(config, wanted) : [...included] };
}

async function open(place: ProjectPlace): Promise<Project> {
  const file = place.file ?? (await findConfig(place.directory).catch(() => undefined));
  if (file !== undefined) return openProject({ ...place, file });
  const [found] = await paiTree.recognise(place.directory);
  if (found === undefined) return openProject(place);
  // `paictl.py` ran in pai-management, and its copy-lists name what lies beside that.
  const above = found === '.' && reachesOut(place.directory);
  const root = above ? dirname(place.directory) : place.directory;
  const path = above ? basename(place.directory) : found;
  const name = nameFrom(basename(root)) || 'pai';
  const text = `version: 1\nname: ${name}\ninclude: { pai: ${JSON.stringify(path)} }\n`;
  return openProject({ ...place, file: join(root, 'imgbuild.yaml'), text });
}

function reachesOut(directory: string): boolean {
  const disk = diskAt(directory);
  return disk
    .folders('src')
    .some((name) => /^\s*-?\s*src:\s*["']?\.\.\//m.test(disk.text(`src/${name}/image.yaml`) ?? ''));
}
