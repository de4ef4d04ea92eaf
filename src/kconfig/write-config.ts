import type { Configuration } from './configuration.ts';
import { configLine, type UnknownOption } from './dot-config.ts';
import { no } from './expression.ts';
import type { MenuNode, OptionSymbol } from './tree.ts';

/** The text of .config: every option that can be seen or has come to a value, with menus and comments as titles. */
export function configText(configuration: Configuration, unknown: readonly UnknownOption[] = []): string {
  const { root } = configuration.kconfig;
  const seen = new Set<OptionSymbol>();
  let text = '';
  let afterEnd = false;
  const shows = (node: MenuNode) => configuration.tri(node.dependency) > 0 && configuration.tri(node.visibleIf) > 0;
  // Its own stack: options that hang on one another stand as deep as their chain is long.
  const waiting: { node: MenuNode; leaves: boolean }[] = [];
  const push = (nodes: readonly MenuNode[]) => {
    for (const node of nodes.toReversed()) waiting.push({ node, leaves: false });
  };
  push(root.children);
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { node, leaves } = next;
    const { item } = node;
    if (leaves) {
      text += `# end of ${node.prompt!.text}\n`;
      afterEnd = true;
      continue;
    }
    if (item === 'menu' && node.children.length > 0 && shows(node)) waiting.push({ node, leaves: true });
    push(node.children);
    if (typeof item === 'string') {
      if (!(item === 'menu' ? shows(node) : configuration.tri(node.dependency) > 0)) continue;
      text += `\n#\n# ${node.prompt!.text}\n#\n`;
      afterEnd = false;
    } else if (item.kind === 'symbol' && !seen.has(item)) {
      seen.add(item);
      const line = configLine(configuration, item);
      if (line === '') continue;
      if (afterEnd) text += '\n';
      afterEnd = false;
      text += line;
    }
  }
  return text + unknownText(unknown);
}

/** Only what is not as Kconfig has it by default: from this and Kconfig, .config follows. */
export function minimalText(configuration: Configuration, unknown: readonly UnknownOption[] = []): string {
  const lines = configuration.kconfig.defined.map((symbol) =>
    isDefault(configuration, symbol) ? '' : configLine(configuration, symbol),
  );
  return lines.join('') + unknownText(unknown);
}

function isDefault(configuration: Configuration, symbol: OptionSymbol): boolean {
  const { choice } = symbol;
  if (!choice && configuration.visibility(symbol) <= configuration.tri(symbol.reverse ?? no)) return true;
  const { text } = configuration.value(symbol);
  if (text === configuration.defaultText(symbol)) return true;
  if (!choice || choice.isOptional || symbol.type !== 'bool') return false;
  return text === 'y' && configuration.defaultSelection(choice) === symbol;
}

function unknownText(unknown: readonly UnknownOption[]): string {
  if (unknown.length === 0) return '';
  return `\n#\n# Not in Kconfig\n#\n${unknown.map(({ line }) => `${line}\n`).join('')}`;
}
