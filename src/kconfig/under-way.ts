import type { SourceLocation } from '../failure.ts';
import { wrong } from './lines.ts';
import { describeItem, type Choice, type OptionSymbol } from './tree.ts';

/** Options that are decided one through another, when they are asked for in an order that does not spare it. */
const deepest = 300;

/** What is being decided: each asks for others. */
export class UnderWay {
  readonly #items = new Set<OptionSymbol | Choice>();

  /** Throws a Failure where what is being decided asks for itself. */
  within<T>(item: OptionSymbol | Choice, decide: () => T): T {
    if (this.#items.has(item)) throw circle(item, this.#items);
    if (this.#items.size >= deepest) throw tooDeep(item);
    this.#items.add(item);
    try {
      return decide();
    } finally {
      this.#items.delete(item);
    }
  }
}

/** Through choices there are circles that only values show. */
function circle(item: OptionSymbol | Choice, deciding: ReadonlySet<OptionSymbol | Choice>) {
  const all = [...deciding];
  const round = all.slice(all.indexOf(item)).map(describeItem);
  const names = [...(round.length > 10 ? [...round.slice(0, 10), '…'] : round), round[0]].join(' hangs on ');
  return wrong(placeOf(item), `the options go in a circle: ${names}`, 'take one of these conditions away');
}

function tooDeep(item: OptionSymbol | Choice) {
  const because = `${describeItem(item)} is decided through more than ${deepest} other options`;
  return wrong(placeOf(item), because, 'make the chain shorter');
}

function placeOf(item: OptionSymbol | Choice): SourceLocation {
  return item.nodes[0]?.at ?? (item as OptionSymbol).named!;
}
