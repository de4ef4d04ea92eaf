import { readdir } from 'node:fs/promises';
import { posix } from 'node:path';
import type { ForeignTree } from '../foreign-tree.ts';
import { diskAt, type Disk } from '../disk.ts';
import { readPai } from './read.ts';

export const paiTree: ForeignTree = {
  kind: 'pai',
  title: 'OpenPAI',
  async recognise(root) {
    await readdir(root);
    return treesIn(diskAt(root));
  },
  async read(root, [path]) {
    const project = readPai(diskAt(root), path!, { skip: [], hooks: {} });
    const { reading } = project;
    const entry = project.layers.flatMap(({ places }) => places?.['copy.0.dst'] ?? [])[0];
    if (reading && entry) {
      const meaning = reading.reading === 'cp' ? 'it becomes the copy' : 'it is made, and the copy goes into it';
      project.advice.push({ at: entry, text: `where dst is not there, ${meaning}: ${reading.why}` });
    }
    project.direct.push(`include: { pai: ${path === '.' ? '.' : `./${path}`} }`);
    return project;
  },
};

/** Folders with components, relative to the root: itself, or one in it. */
function treesIn(disk: Disk): string[] {
  const folders = ['.', ...disk.folders('.').filter((name) => !name.startsWith('.') && name !== 'node_modules')];
  return folders.filter((folder) => {
    const src = posix.join(folder, 'src');
    return disk.folders(src).some((component) => isComponent(disk, posix.join(src, component)));
  });
}

function isComponent(disk: Disk, folder: string): boolean {
  if (disk.kind(posix.join(folder, 'image.yaml')) === 'file') return true;
  return disk.files(posix.join(folder, 'build')).some((file) => file.endsWith('.dockerfile'));
}
