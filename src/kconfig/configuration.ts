import { no, type Expression, type Tri } from './expression.ts';
import { baseOf, formatNumber, parseNumber } from './number.ts';
import type { Choice, Kconfig, OptionSymbol } from './tree.ts';
import { UnderWay } from './under-way.ts';
import { compareValues, holds, isValueOf, type Value } from './value.ts';

export interface Range {
  low: bigint;
  high: bigint;
}

const texts = ['n', 'm', 'y'] as const;

/**
 * The values of all options, from what the user has set and what Kconfig says. docs/options.md tells the rules; they
 * are those of kconfiglib, without tristate.
 */
export class Configuration {
  readonly kconfig: Kconfig;
  readonly #user = new Map<OptionSymbol, string>();
  /** y where one of the choice's options was set to y. */
  readonly #modes = new Map<Choice, Tri>();
  readonly #picked = new Map<Choice, OptionSymbol>();
  readonly #values = new Map<OptionSymbol, Value>();
  readonly #visible = new Map<OptionSymbol | Choice, Tri>();
  #isSettled = false;
  readonly #underWay = new UnderWay();

  constructor(kconfig: Kconfig) {
    this.kconfig = kconfig;
  }

  /** With what the user has set, to be changed apart from this one. */
  copy(): Configuration {
    const copy = new Configuration(this.kconfig);
    for (const [symbol, text] of this.#user) copy.#user.set(symbol, text);
    for (const [choice, mode] of this.#modes) copy.#modes.set(choice, mode);
    for (const [choice, symbol] of this.#picked) copy.#picked.set(choice, symbol);
    return copy;
  }

  /** What the user has set, whether or not it has an effect now. */
  userValue(symbol: OptionSymbol): string | undefined {
    return this.#user.get(symbol);
  }

  /** False where the text is no value of the option's type. */
  set(symbol: OptionSymbol, text: string): boolean {
    if (!isValueOf(symbol, text)) return false;
    this.#user.set(symbol, text);
    if (symbol.choice && symbol.type === 'bool' && text === 'y') {
      if (symbol.choice.type === 'bool') this.#modes.set(symbol.choice, 2);
      this.#picked.set(symbol.choice, symbol);
    }
    this.#forget();
    return true;
  }

  /** Whether an optional choice is made at all. */
  setMode(choice: Choice, mode: 'n' | 'y'): void {
    this.#modes.set(choice, mode === 'y' ? 2 : 0);
    this.#forget();
  }

  #forget(): void {
    this.#values.clear();
    this.#visible.clear();
    this.#isSettled = false;
  }

  /** First those that others hang on: then no value is decided through a long chain of others. */
  #settle(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    for (const item of this.kconfig.order) {
      if (item.kind === 'symbol') this.#value(item);
      else this.visibility(item);
    }
  }

  value(symbol: OptionSymbol): Value {
    this.#settle();
    return this.#value(symbol);
  }

  #value(symbol: OptionSymbol): Value {
    const known = this.#values.get(symbol);
    if (known) return known;
    const value = this.#underWay.within(symbol, () => this.#decide(symbol));
    this.#values.set(symbol, value);
    return value;
  }

  #decide(symbol: OptionSymbol): Value {
    switch (symbol.type) {
      case 'tristate': {
        const tri = texts.indexOf(symbol.name as 'n') as Tri;
        return { tri, text: symbol.name, isWritten: false };
      }
      case 'unknown':
        return { tri: 0, text: symbol.name, isWritten: false };
      case 'bool':
        return this.#decideBool(symbol);
      case 'string':
        return this.#decideString(symbol);
      default:
        return this.#decideNumber(symbol, symbol.type);
    }
  }

  #decideBool(symbol: OptionSymbol): Value {
    const visibility = this.visibility(symbol);
    let isWritten = visibility > 0;
    let tri: Tri = 0;
    if (symbol.choice) {
      if (visibility === 2 && this.selection(symbol.choice) === symbol) tri = 2;
      return { tri, text: texts[tri], isWritten };
    }
    const user = this.#user.get(symbol);
    if (visibility > 0 && user !== undefined) {
      tri = min(user === 'y' ? 2 : 0, visibility);
    } else {
      for (const { value, condition } of symbol.defaults) {
        const limit = this.tri(condition);
        if (limit === 0) continue;
        tri = min(this.tri(value), limit);
        isWritten ||= tri > 0;
        break;
      }
      const implied = this.tri(symbol.weakReverse ?? no);
      if (implied > 0 && this.tri(symbol.direct ?? no) > 0) {
        tri = max(tri, implied);
        isWritten = true;
      }
    }
    const selected = this.tri(symbol.reverse ?? no);
    if (selected > 0) {
      tri = max(tri, selected);
      isWritten = true;
    }
    if (tri === 1) tri = 2;
    return { tri, text: texts[tri], isWritten };
  }

  #decideString(symbol: OptionSymbol): Value {
    const isVisible = this.visibility(symbol) > 0;
    const user = this.#user.get(symbol);
    if (isVisible && user !== undefined) return { tri: 0, text: user, isWritten: true };
    const given = symbol.defaults.find(({ condition }) => this.tri(condition) > 0);
    if (!given) return { tri: 0, text: '', isWritten: isVisible };
    return { tri: 0, text: this.#defaultText(given.value), isWritten: true };
  }

  #decideNumber(symbol: OptionSymbol, type: 'int' | 'hex'): Value {
    const base = baseOf(type);
    const isVisible = this.visibility(symbol) > 0;
    const range = this.range(symbol);
    const user = this.#user.get(symbol);
    if (isVisible && user !== undefined && user !== '') {
      const number = parseNumber(user, base)!;
      if (!range || (range.low <= number && number <= range.high)) return { tri: 0, text: user, isWritten: true };
    }
    const given = symbol.defaults.find(({ condition }) => this.tri(condition) > 0);
    let text = given ? this.#defaultText(given.value) : '';
    const number = parseNumber(text, base) ?? 0n;
    // What is not in the range is put to its nearest end, also where there is no default: that counts as zero.
    if (range && number < range.low) text = formatNumber(range.low, type);
    else if (range && number > range.high) text = formatNumber(range.high, type);
    return { tri: 0, text, isWritten: isVisible || given !== undefined };
  }

  #defaultText(expression: Expression): string {
    return expression.kind === 'symbol' ? this.#value(expression).text : '';
  }

  /** The range that holds now; ends that are no numbers count as zero. */
  range(symbol: OptionSymbol): Range | undefined {
    const active = symbol.ranges.find(({ condition }) => this.tri(condition) > 0)?.value;
    if (!active) return undefined;
    const end = (of: OptionSymbol) => parseNumber(this.#value(of).text, baseOf(symbol.type)) ?? 0n;
    return { low: end(active.low), high: end(active.high) };
  }

  /** Up to which value the user may set it: 0 where no prompt is to be seen. */
  visibility(item: OptionSymbol | Choice): Tri {
    const known = this.#visible.get(item);
    if (known !== undefined) return known;
    const see = () =>
      item.nodes.reduce<Tri>((most, { prompt }) => (prompt ? max(most, this.tri(prompt.condition)) : most), 0);
    const seen = item.kind === 'choice' ? this.#underWay.within(item, see) : see();
    const visibility = seen === 1 ? 2 : seen;
    this.#visible.set(item, visibility);
    return visibility;
  }

  /** Whether a choice is made: always when it can be seen, unless it is optional. */
  mode(choice: Choice): Tri {
    const wanted = max(choice.isOptional ? 0 : 1, this.#modes.get(choice) ?? 0);
    const mode = min(wanted, this.visibility(choice));
    return mode === 1 && choice.type === 'bool' ? 2 : mode;
  }

  /** The option that a choice has come to. */
  selection(choice: Choice): OptionSymbol | undefined {
    if (this.mode(choice) !== 2) return undefined;
    const picked = this.#picked.get(choice);
    if (picked && this.visibility(picked) > 0) return picked;
    return this.defaultSelection(choice);
  }

  defaultSelection(choice: Choice): OptionSymbol | undefined {
    const given = choice.defaults.find(
      ({ value, condition }) => this.tri(condition) > 0 && value.kind === 'symbol' && this.visibility(value) > 0,
    );
    if (given) return given.value as OptionSymbol;
    return choice.symbols.find((symbol) => this.visibility(symbol) > 0);
  }

  /** What a bool can be set to now. */
  assignable(symbol: OptionSymbol): readonly ('n' | 'y')[] {
    if (symbol.type !== 'bool' || this.visibility(symbol) === 0) return [];
    if (symbol.choice || this.tri(symbol.reverse ?? no) > 0) return ['y'];
    return ['n', 'y'];
  }

  /** What it would be without the user, as savedefconfig sees it. */
  defaultText(symbol: OptionSymbol): string {
    const given = symbol.defaults.find(({ condition }) => this.tri(condition) > 0);
    if (symbol.type !== 'bool') return given ? this.#defaultText(given.value) : '';
    if (symbol.choice) return 'n';
    const own = given ? min(this.tri(given.value), this.tri(given.condition)) : 0;
    const tri = max(own, max(this.tri(symbol.reverse ?? no), this.tri(symbol.weakReverse ?? no)));
    return tri > 0 ? 'y' : 'n';
  }

  tri(expression: Expression): Tri {
    switch (expression.kind) {
      case 'symbol':
        return this.#value(expression).tri;
      case 'choice':
        return this.mode(expression);
      case 'not':
        return (2 - this.tri(expression.of)) as Tri;
      case 'and': {
        let least: Tri = 2;
        for (const term of expression.terms) {
          least = min(least, this.tri(term));
          if (least === 0) break;
        }
        return least;
      }
      case 'or': {
        let most: Tri = 0;
        for (const term of expression.terms) {
          most = max(most, this.tri(term));
          if (most === 2) break;
        }
        return most;
      }
      case 'relation': {
        const { relation, left, right } = expression;
        const order = compareValues(left, this.#value(left), right, this.#value(right));
        return holds(relation, order) ? 2 : 0;
      }
    }
  }
}

const min = (a: Tri, b: Tri): Tri => (a < b ? a : b);
const max = (a: Tri, b: Tri): Tri => (a > b ? a : b);
