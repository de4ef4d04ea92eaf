import type { Change } from '../kconfig/assign.ts';
import type { Configuration } from '../kconfig/configuration.ts';
import type { Options } from '../kconfig/open.ts';
import { harmless } from '../kconfig/menu/width.ts';
import { problemText } from '../kconfig/open.ts';
import { describeItem, type MenuNode, type OptionSymbol } from '../kconfig/tree.ts';
import type { Style } from './failure.ts';

type Layers = ReadonlyMap<string, readonly string[]>;

/** `options list --json`: every option that has a type. */
export function optionsJson({ files, configuration, unknown, problems }: Options, layers: Layers): unknown {
  const options = configuration.kconfig.defined
    .filter(({ type }) => type !== 'unknown')
    .map((symbol) => ({
      name: symbol.name,
      type: symbol.type,
      value: configuration.value(symbol).text,
      prompt: promptOf(symbol),
      visible: configuration.visibility(symbol) > 0,
      written: configuration.value(symbol).isWritten,
      layers: layers.get(symbol.name) ?? [],
      help: symbol.nodes.find(({ help }) => help !== undefined)?.help ?? null,
      at: `${symbol.nodes[0]!.at.file}:${symbol.nodes[0]!.at.line}`,
    }));
  return {
    schema: 1,
    kconfig: files.kconfig,
    config: files.config,
    title: configuration.kconfig.title,
    options,
    unknown: unknown.map(({ name, value }) => ({ name, value, layers: layers.get(name) ?? [] })),
    warnings: problems.map(problemText),
  };
}

function promptOf({ nodes }: OptionSymbol): string | null {
  return nodes.find(({ prompt }) => prompt)?.prompt?.text ?? null;
}

/** The options below the menus they are in: value, prompt, and the layers that get it. `all`: hidden ones too. */
export function renderOptions(
  { files, configuration, unknown, text: written }: Options,
  layers: Layers,
  all: boolean,
  style: Style,
): string {
  const { kconfig } = configuration;
  const lines = [
    style.bold(harmless(kconfig.title)),
    style.dim(`${files.kconfig}, ${written !== undefined ? files.config : `defaults: there is no ${files.config}`}`),
  ];
  const rows = rowsOf(configuration, kconfig.root, all, new Set(), 0);
  const width = Math.max(0, ...rows.map((row) => (row.symbol ? row.text.length + 2 * row.depth : 0)));
  const promptWidth = Math.min(40, Math.max(0, ...rows.map((row) => row.prompt.length)));
  if (rows[0]?.symbol) lines.push('');
  for (const { text, prompt, symbol, isHidden, depth } of rows) {
    const indent = '  '.repeat(depth);
    if (!symbol) {
      if (depth === 0) lines.push('');
      lines.push(`${indent}${style.bold(text)}`);
      continue;
    }
    const reaches = layers.get(symbol.name)?.join(', ') ?? '';
    const line = `${indent}${text.padEnd(width - indent.length)}  ${prompt.padEnd(promptWidth)}  ${reaches}`.trimEnd();
    lines.push(isHidden ? style.dim(line) : line);
  }
  if (unknown.length > 0) lines.push('', style.bold(`Not in ${files.kconfig}`));
  for (const { name, value } of unknown) {
    lines.push(`  ${harmless(`${name}=${value}`)}  ${layers.get(name)?.join(', ') ?? ''}`.trimEnd());
  }
  return `${lines.join('\n')}\n`;
}

interface Row {
  text: string;
  prompt: string;
  symbol?: OptionSymbol;
  /** How many titles it stands below. */
  depth: number;
  isHidden: boolean;
}

function rowsOf(
  configuration: Configuration,
  node: MenuNode,
  all: boolean,
  seen: Set<OptionSymbol>,
  depth: number,
): Row[] {
  return node.children.flatMap((child): Row[] => {
    const { item } = child;
    if (item === 'comment' || item === 'if') return [];
    if (item === 'menu' || item.kind === 'choice') {
      const inside = rowsOf(configuration, child, all, seen, depth + 1);
      if (inside.length === 0) return [];
      const title = child.prompt?.text ?? (item === 'menu' ? '' : describeItem(item));
      return [{ text: harmless(title), prompt: '', isHidden: false, depth }, ...inside];
    }
    const isHidden = configuration.visibility(item) === 0;
    const below = () => rowsOf(configuration, child, all, seen, depth);
    if (seen.has(item) || item.type === 'unknown' || (isHidden && !all)) return below();
    seen.add(item);
    const value = harmless(configuration.value(item).text);
    return [
      { text: `${item.name}=${value}`, prompt: harmless(promptOf(item) ?? ''), symbol: item, isHidden, depth },
      ...below(),
    ];
  });
}

/** One line each: `TENSORFLOW: n → y`. */
export function renderChanges(changes: readonly Change[]): string {
  const shown = (value: string) => (value === '' ? '(empty)' : harmless(value));
  return changes.map(({ name, from, to }) => `${name}: ${shown(from)} → ${shown(to)}\n`).join('');
}
