import type { Configuration } from '../configuration.ts';
import type { OptionSymbol } from '../tree.ts';
import type { Page } from './mode.ts';
import { rowsOf } from './rows.ts';

/** By a part of the name, with or without CONFIG_, or of the prompt. */
export function findOptions({ kconfig }: Configuration, text: string): OptionSymbol[] {
  const wanted = text.toLowerCase().replace(/^config_/, '');
  if (wanted === '') return [];
  const has = (each: string) => each.toLowerCase().includes(wanted);
  return kconfig.defined.filter(
    ({ name, nodes }) => has(name) || nodes.some(({ prompt }) => prompt !== undefined && has(prompt.text)),
  );
}

/** The pages to enter, one in another, to stand on the option; undefined where it cannot be seen now. */
export function pagesTo(configuration: Configuration, symbol: OptionSymbol): Page[] | undefined {
  for (const node of symbol.nodes) {
    const path = [node];
    for (let up = node.parent; up; up = up.parent) if (up.isPage) path.unshift(up);
    const pages = path.slice(0, -1).map((page, depth) => ({
      node: page,
      index: rowsOf(configuration, page).findIndex((row) => row.node === path[depth + 1]),
    }));
    if (pages.every(({ index }) => index >= 0)) return pages;
  }
  return undefined;
}
