import { whyNot } from '../assign.ts';
import type { Configuration } from '../configuration.ts';
import type { MenuNode, OptionSymbol } from '../tree.ts';
import { isValueOf } from '../value.ts';
import { hiddenBecause } from './describe.ts';
import type { Key } from './keys.ts';
import { choiceOf, rowsOf, symbolOf, type Row } from './rows.ts';
import { findOptions, pagesTo } from './search.ts';
import { afterHelp, pageRows, type Mode, type Outcome, type Page } from './mode.ts';
import { edited, textField, textOf } from './text-field.ts';

/** The menu as it stands: what is shown and what keys do to it. Knows of no terminal. */
export class Menu {
  readonly configuration: Configuration;
  readonly layers: ReadonlyMap<string, readonly string[]>;
  readonly #isSaved: () => boolean;
  /** The last one is shown; the first is the root and never left. */
  #pages: Page[];
  #mode: Mode = { kind: 'page' };
  #message = '';

  /** `isSaved` says whether the file holds what the configuration is now. */
  constructor(configuration: Configuration, layers: ReadonlyMap<string, readonly string[]>, isSaved: () => boolean) {
    this.configuration = configuration;
    this.layers = layers;
    this.#isSaved = isSaved;
    this.#pages = [{ node: configuration.kconfig.root, index: 0 }];
    this.#move(0, 1);
  }

  get mode(): Mode {
    return this.#mode;
  }

  get pages(): readonly Page[] {
    return this.#pages;
  }

  get page(): Page {
    return this.#pages.at(-1)!;
  }

  get rows(): Row[] {
    return rowsOf(this.configuration, this.page.node);
  }

  /** What to tell about the last key. */
  get message(): string {
    return this.#message;
  }

  tell(message: string): void {
    this.#message = message;
  }

  /** Back to the options, where leaving did not work out. */
  stay(message: string): void {
    this.#mode = { kind: 'page' };
    this.#message = message;
  }

  press(key: Key): Outcome {
    this.#message = '';
    switch (this.#mode.kind) {
      case 'help':
        this.#mode = afterHelp(this.#mode, key);
        return 'stay';
      case 'edit':
        return this.#pressInEdit(this.#mode, key);
      case 'search':
        return this.#pressInSearch(this.#mode, key);
      case 'leave':
        return this.#pressInLeave(key);
      default:
        return this.#pressInPage(key);
    }
  }

  #pressInPage(key: Key): Outcome {
    const row = this.rows[this.page.index];
    switch (key.name) {
      case 'up':
        return this.#move(this.page.index - 1, -1);
      case 'down':
        return this.#move(this.page.index + 1, 1);
      case 'page-up':
        return this.#move(this.page.index - pageRows, 1);
      case 'page-down':
        return this.#move(this.page.index + pageRows, -1);
      case 'home':
        return this.#move(0, 1);
      case 'end':
        return this.#move(Number.POSITIVE_INFINITY, -1);
      case 'enter':
      case 'right':
        if (row) this.#open(row.node);
        return 'stay';
      case 'left':
      case 'backspace':
      case 'escape':
        return this.#back();
      case 'text':
        return this.#pressLetter(key.text, row?.node);
      default:
        return 'stay';
    }
  }

  #pressLetter(letter: string, node: MenuNode | undefined): Outcome {
    switch (letter) {
      case ' ':
        if (node) this.#toggle(node);
        return 'stay';
      case 'y':
      case 'n':
        if (node) this.#setTo(node, letter);
        return 'stay';
      case 'k':
        return this.#move(this.page.index - 1, -1);
      case 'j':
        return this.#move(this.page.index + 1, 1);
      case '?':
      case 'h':
        if (node) this.#mode = { kind: 'help', node, scroll: 0 };
        return 'stay';
      case '/':
        this.#mode = { kind: 'search', field: textField(''), found: [], index: 0 };
        return 'stay';
      case 's':
      case 'S':
        return 'save';
      case 'q':
      case 'Q':
        return this.#leave();
      default:
        return 'stay';
    }
  }

  /** To the nearest row, in this direction first, that something can be done with: comments are passed. */
  #move(index: number, direction: 1 | -1): Outcome {
    const { rows } = this;
    const wanted = Math.max(0, Math.min(index, rows.length - 1));
    const usable = (at: number) => rows[at] !== undefined && rows[at].node.item !== 'comment';
    for (const step of [direction, -direction]) {
      for (let at = wanted; at >= 0 && at < rows.length; at += step) {
        if (!usable(at)) continue;
        this.page.index = at;
        return 'stay';
      }
    }
    return 'stay';
  }

  #open(node: MenuNode): void {
    if (node.isPage && rowsOf(this.configuration, node).length > 0) {
      const selected = choiceOf(node) && this.configuration.selection(choiceOf(node)!);
      this.#pages.push({ node, index: 0 });
      const at = this.rows.findIndex((row) => selected !== undefined && row.node.item === selected);
      this.#move(Math.max(0, at), 1);
    } else this.#toggle(node);
  }

  #toggle(node: MenuNode): void {
    const { configuration } = this;
    const choice = choiceOf(node);
    const symbol = symbolOf(node);
    if (choice?.isOptional) configuration.setMode(choice, configuration.mode(choice) === 2 ? 'n' : 'y');
    else if (!symbol) this.#enter(node);
    else if (symbol.type === 'bool') this.#setTo(node, configuration.value(symbol).tri === 2 ? 'n' : 'y');
    else if (configuration.visibility(symbol) === 0) this.#message = hiddenBecause(configuration, symbol);
    else if (symbol.type !== 'unknown') {
      const field = textField(configuration.value(symbol).text);
      this.#mode = { kind: 'edit', node, field, error: '' };
    }
    this.#stayInRows();
  }

  #enter(node: MenuNode): void {
    if (node.isPage && rowsOf(this.configuration, node).length > 0) this.#open(node);
    else this.#message = 'nothing in it can be seen now';
  }

  #setTo(node: MenuNode, value: 'y' | 'n'): void {
    const { configuration } = this;
    const choice = choiceOf(node);
    if (choice?.isOptional) configuration.setMode(choice, value);
    const symbol = symbolOf(node);
    if (symbol?.type !== 'bool') return;
    // In a choice the one that is picked stays; picking it again only goes back.
    const picks = symbol.choice !== undefined && configuration.visibility(symbol) === 2;
    if (picks || configuration.assignable(symbol).includes(value)) configuration.set(symbol, picks ? 'y' : value);
    else {
      const because = whyNot(configuration, symbol, value)?.because;
      this.#message = configuration.visibility(symbol) === 0 ? hiddenBecause(configuration, symbol) : (because ?? '');
    }
    if (picks && this.#pages.length > 1 && node.children.length === 0) this.#pages.pop();
    this.#stayInRows();
  }

  /** What was set may hide rows, also the page itself. */
  #stayInRows(): void {
    while (this.#pages.length > 1 && this.rows.length === 0) this.#pages.pop();
    this.#move(this.page.index, 1);
  }

  #back(): Outcome {
    if (this.#pages.length === 1) return this.#leave();
    this.#pages.pop();
    this.#stayInRows();
    return 'stay';
  }

  #leave(): Outcome {
    if (this.#isSaved()) return 'leave';
    this.#mode = { kind: 'leave' };
    return 'stay';
  }

  #pressInLeave(key: Key): Outcome {
    const letter = key.name === 'text' ? key.text.toLowerCase() : key.name;
    if (letter === 'y' || letter === 'enter') return 'save-and-leave';
    if (letter === 'n') return 'leave';
    if (letter === 'escape' || letter === 'c' || letter === 'left' || letter === 'backspace') {
      this.#mode = { kind: 'page' };
    }
    return 'stay';
  }

  #pressInEdit(mode: Mode & { kind: 'edit' }, key: Key): Outcome {
    const field = edited(mode.field, key);
    if (field) this.#mode = { ...mode, field, error: '' };
    else if (key.name === 'escape') this.#mode = { kind: 'page' };
    else if (key.name === 'enter') {
      const error = this.#take(symbolOf(mode.node)!, textOf(mode.field));
      this.#mode = error === undefined ? { kind: 'page' } : { ...mode, error };
      this.#stayInRows();
    }
    return 'stay';
  }

  /** Undefined when the option has the value; else why it has not. */
  #take(symbol: OptionSymbol, typed: string): string | undefined {
    const text = symbol.type === 'string' ? typed : typed.trim();
    if (!isValueOf(symbol, text))
      return symbol.type === 'hex' ? 'write digits and a to f, as in 0x1f' : 'write a number';
    const trial = this.configuration.copy();
    trial.set(symbol, text);
    const refused = whyNot(trial, symbol, text);
    if (refused) return refused.because;
    this.configuration.set(symbol, text);
    return undefined;
  }

  #pressInSearch(mode: Mode & { kind: 'search' }, key: Key): Outcome {
    if (key.name === 'escape') this.#mode = { kind: 'page' };
    else if (key.name === 'enter') {
      const symbol = mode.found[mode.index];
      this.#mode = { kind: 'page' };
      if (symbol) this.#jumpTo(symbol);
    } else if (key.name === 'up' || key.name === 'down') {
      const index = mode.index + (key.name === 'up' ? -1 : 1);
      this.#mode = { ...mode, index: Math.max(0, Math.min(index, mode.found.length - 1)) };
    } else {
      const field = edited(mode.field, key);
      if (field)
        this.#mode = { kind: 'search', field, found: findOptions(this.configuration, textOf(field)), index: 0 };
    }
    return 'stay';
  }

  #jumpTo(symbol: OptionSymbol): void {
    const pages = pagesTo(this.configuration, symbol);
    if (pages) this.#pages = pages;
    else this.#message = hiddenBecause(this.configuration, symbol);
  }
}
