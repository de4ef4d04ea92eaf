import { ascendTree } from './ascend/tree.ts';
import { ccaiTree } from './ccai/tree.ts';
import { envdTree } from './envd/tree.ts';
import { paiTree } from './pai/tree.ts';
import type { ForeignTree } from './foreign-tree.ts';

/** In the order in which they are looked for. */
export const foreignTrees: readonly ForeignTree[] = [envdTree, paiTree, ccaiTree, ascendTree];
