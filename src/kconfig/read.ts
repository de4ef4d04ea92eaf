import { checkTree } from './check.ts';
import { finishTree } from './finish.ts';
import { valueOrder } from './order.ts';
import { parseKconfig } from './parse.ts';
import type { ReadSource } from './sources.ts';
import type { Kconfig } from './tree.ts';

/** Reads Kconfig files. `file` is relative to what `read` reads from. Throws a Failure with file, line and column. */
export function readKconfig(file: string, read: ReadSource): Kconfig {
  const { root, title, symbols, defined, choices, problems } = parseKconfig(file, read);
  finishTree(root);
  const found = checkTree({ symbols, defined, choices });
  return {
    file,
    title,
    root,
    symbols,
    defined: [...defined],
    choices: [...choices],
    order: valueOrder(defined, choices),
    problems: [...problems, ...found],
  };
}
