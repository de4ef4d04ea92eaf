import type { TreeNode, WorkTree } from './work-tree.ts';

/** The node of a path in the work tree, found from the top, no link followed. */
export function nodeAt(tree: WorkTree, path: string): TreeNode | undefined {
  let node: TreeNode | undefined = tree.top;
  let at = '';
  for (const name of path === '' || path === '.' ? [] : path.split('/')) {
    if (node?.kind !== 'folder') return undefined;
    const found: TreeNode | undefined = tree.child(at, node, name);
    at = at === '' ? name : `${at}/${name}`;
    // Some things git does not list: what is in a .git folder, a folder that holds nothing but a socket.
    node = found ?? tree.diskNode(at, name);
  }
  return node;
}
