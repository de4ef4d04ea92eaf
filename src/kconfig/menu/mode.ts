import type { MenuNode, OptionSymbol } from '../tree.ts';
import type { Key } from './keys.ts';
import type { TextField } from './text-field.ts';

/** A menu that was entered, and the row that is marked in it. */
export interface Page {
  node: MenuNode;
  index: number;
}

export type Mode =
  | { kind: 'page' }
  | { kind: 'help'; node: MenuNode; scroll: number }
  | { kind: 'edit'; node: MenuNode; field: TextField; error: string }
  | { kind: 'search'; field: TextField; found: OptionSymbol[]; index: number }
  | { kind: 'leave' };

/** What the one who runs the menu is to do after a key. */
export type Outcome = 'stay' | 'save' | 'save-and-leave' | 'leave';

/** Rows that a page key moves by. */
export const pageRows = 10;

/** Keys scroll; any other goes back to the options. */
export function afterHelp(mode: Mode & { kind: 'help' }, key: Key): Mode {
  const steps: Partial<Record<Key['name'], number>> = {
    up: -1,
    down: 1,
    'page-up': -pageRows,
    'page-down': pageRows,
  };
  const step = key.name === 'text' ? { j: 1, k: -1, ' ': pageRows }[key.text] : steps[key.name];
  return step === undefined ? { kind: 'page' } : { ...mode, scroll: Math.max(0, mode.scroll + step) };
}
