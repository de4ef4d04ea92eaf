import type { Configuration } from '../configuration.ts';
import type { Choice, MenuNode, OptionSymbol } from '../tree.ts';
import { harmless } from './width.ts';

/** One line of a page of the menu. */
export interface Row {
  node: MenuNode;
  /** How deep it stands below options that it hangs on. */
  depth: number;
}

/** What can be seen on the page of a menu, a choice or a menuconfig. */
export function rowsOf(configuration: Configuration, page: MenuNode): Row[] {
  const rows: Row[] = [];
  // A choice that is declared in several places is one.
  const places = choiceOf(page)?.nodes ?? [page];
  const seen = new Set<unknown>();
  for (const place of places) {
    for (const row of shown(configuration, place.children, 0)) {
      if (seen.has(row.node.item) && symbolOf(row.node)) continue;
      seen.add(row.node.item);
      rows.push(row);
    }
  }
  return rows;
}

function shown(configuration: Configuration, nodes: readonly MenuNode[], depth: number): Row[] {
  return nodes.flatMap((node): Row[] => {
    const visible = isVisible(configuration, node);
    if (visible && node.isPage) return [{ node, depth }];
    if (!visible && !symbolOf(node)) return [];
    const below = shown(configuration, node.children, depth + 1);
    // What is hidden itself is shown where something below it is not.
    if (!visible && below.length === 0) return [];
    return node.isPage ? [{ node, depth }] : [{ node, depth }, ...below];
  });
}

export function isVisible(configuration: Configuration, node: MenuNode): boolean {
  if (!node.prompt || configuration.tri(node.prompt.condition) === 0) return false;
  return node.item !== 'menu' || configuration.tri(node.visibleIf) > 0;
}

export function symbolOf({ item }: MenuNode): OptionSymbol | undefined {
  return typeof item === 'string' || item.kind !== 'symbol' ? undefined : item;
}

export function choiceOf({ item }: MenuNode): Choice | undefined {
  return typeof item === 'string' || item.kind !== 'choice' ? undefined : item;
}

/** As people know it from other menus of this kind: `[*] OpenVINO`, `(4) Workers`, `    Device (Processor)  --->`. */
export function rowText(configuration: Configuration, { node, depth }: Row): string {
  const indent = '  '.repeat(depth);
  if (node.item === 'comment') return harmless(`    ${indent}*** ${node.prompt?.text ?? ''} ***`);
  const prompt = node.prompt?.text ?? symbolOf(node)?.name ?? '';
  const picked = choiceOf(node) && selectedPrompt(configuration, node);
  const title = picked === undefined ? prompt : `${prompt} (${picked})`;
  const arrow = node.isPage ? (rowsOf(configuration, node).length > 0 ? '  --->' : '  ----') : '';
  return harmless(`${valueText(configuration, node).padEnd(3)} ${indent}${title}${arrow}`);
}

function selectedPrompt(configuration: Configuration, node: MenuNode): string | undefined {
  const selected = configuration.selection(choiceOf(node)!);
  return selected && (selected.nodes.find(({ prompt }) => prompt)?.prompt?.text ?? selected.name);
}

function valueText(configuration: Configuration, node: MenuNode): string {
  const choice = choiceOf(node);
  if (choice) return choice.isOptional ? (configuration.mode(choice) === 2 ? '[*]' : '[ ]') : '';
  const symbol = symbolOf(node);
  if (!symbol || symbol.type === 'unknown') return '';
  const { text, tri } = configuration.value(symbol);
  if (symbol.type !== 'bool') return `(${text})`;
  if (symbol.choice && configuration.visibility(symbol) === 2) return tri === 2 ? '(X)' : '( )';
  const mark = tri === 2 ? '*' : ' ';
  return configuration.assignable(symbol).length > 1 ? `[${mark}]` : `-${mark}-`;
}
