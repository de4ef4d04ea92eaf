import { and, hangsOn, or, yes, no, type Expression } from './expression.ts';
import { wrong } from './lines.ts';
import type { Choice, MenuNode, OptionSymbol } from './tree.ts';

const deepest = 500;

/**
 * Makes the tree that menus show of the one that is written: conditions go down from menus, ifs and choices to what is
 * in them; what hangs on the option before it moves below it; ifs vanish; symbols get their properties, and those that
 * they select and imply the reverse of these. In the order of Kconfig's own tools, since the outcome depends on it.
 */
export function finishTree(root: MenuNode): void {
  finishNode([root], 0, yes, 0);
}

/** `siblings[index]` may take the nodes that follow it as its children. */
function finishNode(siblings: MenuNode[], index: number, visibleIf: Expression, depth: number): void {
  const node = siblings[index]!;
  if (depth > deepest) throw wrong(node.at, `more than ${deepest} options hang on one another here`, 'take some apart');
  const { item } = node;
  if (typeof item !== 'string' && item.kind === 'symbol') {
    takeProperties(node, item);
    let end = index + 1;
    while (end < siblings.length && hangsBelow(siblings[end]!, item)) {
      finishNode(siblings, end, visibleIf, depth + 1);
      siblings[end]!.parent = node;
      end += 1;
    }
    node.children = siblings.splice(index + 1, end - index - 1);
  } else if (node.children.length > 0) {
    const below = item === 'menu' ? and(visibleIf, node.visibleIf) : visibleIf;
    for (const child of node.children) handDown(child, node, below);
    for (let at = 0; at < node.children.length; at += 1) finishNode(node.children, at, below, depth + 1);
  }
  if (node.children.length > 0) node.children = withoutHidden(node);
  if (typeof item !== 'string' && item.kind === 'choice') finishChoice(node, item);
}

function hangsBelow(node: MenuNode, symbol: OptionSymbol): boolean {
  return hangsOn(node.prompt?.condition ?? node.dependency, symbol);
}

/** A choice passes on itself: what is in it can only be on when the choice is. */
function handDown(child: MenuNode, parent: MenuNode, visibleIf: Expression): void {
  const isChoice = typeof parent.item !== 'string' && parent.item.kind === 'choice';
  const dependency = and(child.dependency, isChoice ? (parent.item as Choice) : parent.dependency);
  const also = <T extends { condition: Expression }>(each: T): T => ({
    ...each,
    condition: and(each.condition, dependency),
  });
  child.dependency = dependency;
  if (typeof child.item === 'string') {
    if (child.prompt) child.prompt = also(child.prompt);
    return;
  }
  if (child.prompt) {
    child.prompt = { ...child.prompt, condition: and(child.prompt.condition, and(visibleIf, dependency)) };
  }
  child.defaults = child.defaults.map(also);
  child.ranges = child.ranges.map(also);
  child.selects = child.selects.map(also);
  child.implies = child.implies.map(also);
}

function takeProperties(node: MenuNode, symbol: OptionSymbol): void {
  symbol.direct = or(symbol.direct ?? no, node.dependency);
  symbol.defaults.push(...node.defaults);
  symbol.ranges.push(...node.ranges);
  symbol.selects.push(...node.selects);
  symbol.implies.push(...node.implies);
  for (const { value, condition } of node.selects) value.reverse = added(value.reverse, and(symbol, condition));
  for (const { value, condition } of node.implies) value.weakReverse = added(value.weakReverse, and(symbol, condition));
}

/** One more of the alternatives, in place: an option may be selected by thousands. None of them is an `||` itself. */
function added(alternatives: Expression | undefined, one: Expression): Expression {
  if (alternatives === undefined || one === no) return alternatives ?? one;
  if (alternatives.kind === 'or') {
    alternatives.terms.push(one);
    return alternatives;
  }
  return alternatives === no ? one : { kind: 'or', terms: [alternatives, one] };
}

/** What has no prompt shows no children: they follow it instead. */
function withoutHidden(node: MenuNode): MenuNode[] {
  const shown: MenuNode[] = [];
  const waiting = node.children.toReversed();
  for (let child = waiting.pop(); child; child = waiting.pop()) {
    const isChoice = typeof child.item !== 'string' && child.item.kind === 'choice';
    if (child.children.length > 0 && !child.prompt && !isChoice) {
      for (const grandchild of child.children) grandchild.parent = node;
      waiting.push(...child.children.toReversed());
      child.children = [];
    }
    if (child.item !== 'if') shown.push(child);
  }
  return shown;
}

function finishChoice(node: MenuNode, choice: Choice): void {
  choice.defaults.push(...node.defaults);
  for (const { item } of node.children) {
    if (typeof item === 'string' || item.kind !== 'symbol') continue;
    item.choice = choice;
    choice.symbols.push(item);
  }
  if (choice.type === 'unknown') {
    choice.type = choice.symbols.find(({ type }) => type !== 'unknown')?.type ?? 'unknown';
  }
  for (const symbol of choice.symbols) if (symbol.type === 'unknown') symbol.type = choice.type;
}
