import type { SourceLocation } from '../failure.ts';
import type { Expression } from './expression.ts';
import type { Problem } from './lines.ts';

/** `tristate` is that of the constants n, m and y alone; `unknown`: no definition gives a type. */
export type SymbolType = 'bool' | 'string' | 'int' | 'hex' | 'tristate' | 'unknown';

export interface Conditional<T> {
  value: T;
  condition: Expression;
}

/** A symbol of Kconfig: an option, a constant, or a name that nothing defines and that stands for itself. */
export interface OptionSymbol {
  kind: 'symbol';
  name: string;
  isConstant: boolean;
  type: SymbolType;
  /** Its definitions; none: not defined. */
  nodes: MenuNode[];
  choice?: Choice;
  defaults: Conditional<Expression>[];
  ranges: Conditional<{ low: OptionSymbol; high: OptionSymbol }>[];
  selects: Conditional<OptionSymbol>[];
  implies: Conditional<OptionSymbol>[];
  /** What selects it; undefined is n. */
  reverse: Expression | undefined;
  /** What implies it; undefined is n. */
  weakReverse: Expression | undefined;
  /** `depends on` of all its definitions, those around them included; undefined is n. */
  direct: Expression | undefined;
  /** Where it is named first, when nothing defines it. */
  named?: SourceLocation;
}

export interface Choice {
  kind: 'choice';
  name?: string;
  type: SymbolType;
  isOptional: boolean;
  nodes: MenuNode[];
  symbols: OptionSymbol[];
  defaults: Conditional<Expression>[];
}

/** One place in the menu. `if` holds what stands between if and endif until the tree is finished. */
export interface MenuNode {
  item: OptionSymbol | Choice | 'menu' | 'comment' | 'if';
  /** Its own page in a menu: menu, menuconfig, choice. */
  isPage: boolean;
  prompt?: { text: string; condition: Expression };
  help?: string;
  dependency: Expression;
  visibleIf: Expression;
  defaults: Conditional<Expression>[];
  ranges: Conditional<{ low: OptionSymbol; high: OptionSymbol }>[];
  selects: Conditional<OptionSymbol>[];
  implies: Conditional<OptionSymbol>[];
  parent?: MenuNode;
  children: MenuNode[];
  at: SourceLocation;
}

/** What Kconfig files declare. */
export interface Kconfig {
  /** The first file, as messages name it. */
  file: string;
  /** mainmenu. */
  title: string;
  root: MenuNode;
  /** By name: also those that are named and not defined. */
  symbols: ReadonlyMap<string, OptionSymbol>;
  /** Each once, in the order of their first definition. */
  defined: readonly OptionSymbol[];
  choices: readonly Choice[];
  /** Symbols and choices so that what others hang on comes first. */
  order: readonly (OptionSymbol | Choice)[];
  problems: readonly Problem[];
}

/** For people: "config TENSORFLOW", "choice". */
export function describeItem(item: MenuNode['item']): string {
  if (typeof item === 'string') return item;
  if (item.kind === 'symbol') return `config ${item.name}`;
  return item.name === undefined ? 'choice' : `choice ${item.name}`;
}
