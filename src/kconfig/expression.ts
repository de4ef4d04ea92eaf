import type { Choice, OptionSymbol } from './tree.ts';

/** n, m and y as numbers. */
export type Tri = 0 | 1 | 2;
export type Relation = '=' | '!=' | '<' | '<=' | '>' | '>=';

/** What a condition or a default stands for; it has one of three values. A choice counts as its own mode. */
export type Expression =
  | OptionSymbol
  | Choice
  | { kind: 'and' | 'or'; terms: Expression[] }
  | { kind: 'not'; of: Expression }
  | { kind: 'relation'; relation: Relation; left: OptionSymbol; right: OptionSymbol };

/** A symbol that is its own value: the text between quotes, or n, m, y. */
export function constant(name: string, type: OptionSymbol['type'] = 'unknown'): OptionSymbol {
  return {
    kind: 'symbol',
    name,
    isConstant: true,
    type,
    nodes: [],
    defaults: [],
    ranges: [],
    selects: [],
    implies: [],
    reverse: undefined,
    weakReverse: undefined,
    direct: undefined,
  };
}

export const no = constant('n', 'tristate');
export const module = constant('m', 'tristate');
export const yes = constant('y', 'tristate');

export function triConstant(name: string): OptionSymbol | undefined {
  return [no, module, yes].find((each) => each.name === name);
}

export function and(a: Expression, b: Expression): Expression {
  if (a === yes) return b;
  if (b === yes) return a;
  if (a === no || b === no) return no;
  return { kind: 'and', terms: [...termsOf(a, 'and'), ...termsOf(b, 'and')] };
}

export function or(a: Expression, b: Expression): Expression {
  if (a === no) return b;
  if (b === no) return a;
  if (a === yes || b === yes) return yes;
  return { kind: 'or', terms: [...termsOf(a, 'or'), ...termsOf(b, 'or')] };
}

function termsOf(expression: Expression, kind: 'and' | 'or'): readonly Expression[] {
  return expression.kind === kind ? expression.terms : [expression];
}

/** Symbols and choices that the value hangs on; constants never change. */
export function* itemsOf(expression: Expression): Generator<OptionSymbol | Choice> {
  switch (expression.kind) {
    case 'symbol':
      if (!expression.isConstant) yield expression;
      return;
    case 'choice':
      yield expression;
      return;
    case 'not':
      yield* itemsOf(expression.of);
      return;
    case 'relation':
      yield* itemsOf(expression.left);
      yield* itemsOf(expression.right);
      return;
    default:
      for (const term of expression.terms) yield* itemsOf(term);
  }
}

/**
 * Whether what has this condition belongs below the symbol in the menu: it can only be there when the symbol is on.
 * Kconfig's own rule, which looks at `&&` and at comparisons with constants only.
 */
export function hangsOn(expression: Expression, symbol: OptionSymbol): boolean {
  if (expression.kind === 'and') return expression.terms.some((term) => hangsOn(term, symbol));
  if (expression.kind !== 'relation') return expression === symbol;
  const { relation, left, right } = expression;
  if (relation !== '=' && relation !== '!=') return false;
  if (left !== symbol && right !== symbol) return false;
  const other = right === symbol ? left : right;
  return relation === '=' ? other === module || other === yes : other === no || other === yes;
}

/** As Kconfig writes it. */
export function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case 'symbol':
      return nameText(expression);
    case 'choice':
      return expression.name === undefined ? '<choice>' : `<choice ${expression.name}>`;
    case 'not': {
      const inner = expressionText(expression.of);
      return expression.of.kind === 'symbol' || expression.of.kind === 'choice' ? `!${inner}` : `!(${inner})`;
    }
    case 'relation':
      return `${nameText(expression.left)} ${expression.relation} ${nameText(expression.right)}`;
    case 'and':
      return expression.terms
        .map((term) => (term.kind === 'or' ? `(${expressionText(term)})` : expressionText(term)))
        .join(' && ');
    case 'or':
      return expression.terms.map(expressionText).join(' || ');
  }
}

function nameText({ name, isConstant, type }: OptionSymbol): string {
  return isConstant && type !== 'tristate' ? JSON.stringify(name) : name;
}
