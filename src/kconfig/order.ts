import { Failure } from '../failure.ts';
import { itemsOf, type Expression } from './expression.ts';
import { describeItem, type Choice, type OptionSymbol } from './tree.ts';

type Item = OptionSymbol | Choice;

/** How an item was come to: through its choice, or through one of the symbols of this choice. */
interface Visit {
  item: Item;
  fromChoice: boolean;
  skip?: OptionSymbol;
}

/**
 * Symbols and choices in an order in which each comes after what its value hangs on. Throws a Failure that shows the
 * circle where some hang on themselves.
 */
export function valueOrder(defined: Iterable<OptionSymbol>, choices: Iterable<Choice>): Item[] {
  const symbols = [...defined];
  const dependents = dependentsOf(symbols, choices);
  const done = new Set<Item>();
  const active = new Set<Item>();
  const finished: Item[] = [];
  for (const symbol of symbols) {
    if (done.has(symbol)) continue;
    // Its own stack: chains of options are longer than calls may be deep.
    const stack: { visit: Visit; next: Iterator<Visit> }[] = [];
    const enter = (visit: Visit) => {
      active.add(visit.item);
      stack.push({ visit, next: following(visit, dependents) });
    };
    enter({ item: symbol, fromChoice: false });
    while (stack.length > 0) {
      const { visit, next } = stack.at(-1)!;
      const { value, done: last } = next.next();
      if (last === true) {
        stack.pop();
        active.delete(visit.item);
        done.add(visit.item);
        finished.push(visit.item);
      } else if (active.has(value.item)) {
        throw circle(
          stack.map((each) => each.visit.item).slice(stack.findIndex((each) => each.visit.item === value.item)),
        );
      } else if (!done.has(value.item)) enter(value);
    }
  }
  return finished.toReversed();
}

/** What must be looked at after an item: all that hangs on it, and in a choice, all others of the choice. */
function* following({ item, fromChoice, skip }: Visit, dependents: ReadonlyMap<Item, Set<Item>>): Generator<Visit> {
  if (item.kind === 'choice') {
    for (const symbol of item.symbols) if (symbol !== skip) yield { item: symbol, fromChoice: true };
    return;
  }
  for (const dependent of dependents.get(item) ?? []) yield { item: dependent, fromChoice: false };
  if (item.choice && !fromChoice) yield { item: item.choice, fromChoice: false, skip: item };
}

function dependentsOf(symbols: readonly OptionSymbol[], choices: Iterable<Choice>): Map<Item, Set<Item>> {
  const dependents = new Map<Item, Set<Item>>();
  const hangs = (item: Item, on: Expression | undefined) => {
    if (on === undefined) return;
    for (const each of itemsOf(on)) {
      const known = dependents.get(each);
      if (known) known.add(item);
      else dependents.set(each, new Set([item]));
    }
  };
  for (const symbol of symbols) {
    for (const { prompt } of symbol.nodes) hangs(symbol, prompt?.condition);
    for (const { value, condition } of symbol.defaults) {
      hangs(symbol, value);
      hangs(symbol, condition);
    }
    hangs(symbol, symbol.reverse);
    hangs(symbol, symbol.weakReverse);
    for (const { value, condition } of symbol.ranges) {
      hangs(symbol, value.low);
      hangs(symbol, value.high);
      hangs(symbol, condition);
    }
    hangs(symbol, symbol.direct);
  }
  for (const choice of choices) {
    for (const { prompt } of choice.nodes) hangs(choice, prompt?.condition);
    for (const { condition } of choice.defaults) hangs(choice, condition);
  }
  return dependents;
}

function circle(items: readonly Item[]): Failure {
  const [first] = items;
  const at = first!.nodes[0]?.at;
  const shown = items.length > 10 ? [...items.slice(0, 10).map(describeItem), '…'] : items.map(describeItem);
  const names = [...shown, describeItem(first!)].join(' decides ');
  return new Failure({
    doing: `reading ${at?.file ?? 'Kconfig'}`,
    because: items.length === 1 ? `${describeItem(first!)} hangs on itself` : `the options go in a circle: ${names}`,
    fix: 'take one of these conditions, selects or defaults away',
    kind: 'input',
    ...(at ? { at } : {}),
  });
}
