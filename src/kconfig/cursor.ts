import type { Failure } from '../failure.ts';
import { triConstant, yes, type Expression, type Relation } from './expression.ts';
import { wrong } from './lines.ts';
import type { Keyword, Operator, Token, TokenLine } from './tokens.ts';
import type { OptionSymbol } from './tree.ts';

const relations = new Set<string>(['=', '!=', '<', '<=', '>', '>=']);
const deepest = 100;

/** Where the symbols of expressions come from. */
export interface SymbolTable {
  named(name: string, cursor: TokenCursor, token: Token): OptionSymbol;
  constant(text: string): OptionSymbol;
}

/** Goes through the tokens of one line; the first, the statement's keyword, is passed. Its methods throw Failures. */
export class TokenCursor {
  readonly #line: TokenLine;
  readonly #table: SymbolTable;
  #index = 1;
  #depth = 0;

  constructor(line: TokenLine, table: SymbolTable) {
    this.#line = line;
    this.#table = table;
  }

  get keyword(): Keyword {
    return (this.#line.tokens[0] as Token & { kind: 'keyword' }).name;
  }

  /** The statement itself, or a token of it. */
  locate(token: Token = this.#line.tokens[0]!) {
    return this.#line.line.at(token.start, token.end - token.start);
  }

  fail(because: string, fix?: string, token = this.#line.tokens[0]!): Failure {
    return wrong(this.locate(token), because, fix);
  }

  /** At the next token, or at the end of the line. */
  failNext(because: string, fix?: string): Failure {
    const token = this.#line.tokens[this.#index];
    if (token !== undefined) return this.fail(because, fix, token);
    return wrong(this.#line.line.at(this.#line.tokens.at(-1)!.end), because, fix);
  }

  get atEnd(): boolean {
    return this.#index >= this.#line.tokens.length;
  }

  end(): void {
    if (!this.atEnd) throw this.failNext('this is too much for the line', 'remove what follows');
  }

  /** Passes the keyword where it is next. */
  passes(name: Keyword): boolean {
    const token = this.#peek();
    if (token?.kind !== 'keyword' || token.name !== name) return false;
    this.#index += 1;
    return true;
  }

  /** The token of a name that is to be defined. */
  definedName(what: string): { name: string; token: Token } {
    const token = this.#peek();
    if (token?.kind !== 'word') throw this.failNext(`the name of the ${what} is missing`, `write ${what} NAME`);
    if (triConstant(token.text)) {
      throw this.failNext(`${token.text} is a value, and no name`, 'write a name in capitals');
    }
    this.#index += 1;
    return { name: token.text, token };
  }

  /** A text, also without quotes where it is one word. */
  text(what: string): { text: string; token: Token } {
    const token = this.#peek();
    if (token?.kind !== 'text' && token?.kind !== 'word') {
      throw this.failNext(`${what} is missing`, 'write it in quotes: "…"');
    }
    this.#index += 1;
    return { text: token.text, token };
  }

  /** A symbol that is no constant: what select and imply name. */
  target(): OptionSymbol {
    const token = this.#peek();
    if (token?.kind !== 'word' || triConstant(token.text)) {
      throw this.failNext('the name of an option is needed here', `write ${this.keyword} NAME`);
    }
    return this.operand();
  }

  /** A symbol, a number or a text between quotes. */
  operand(): OptionSymbol {
    const token = this.#peek();
    if (token?.kind !== 'word' && token?.kind !== 'text') {
      throw this.failNext('an option or a value is needed here', 'write a NAME, a number or a text in quotes');
    }
    this.#index += 1;
    const tri = triConstant(token.text);
    if (tri) return tri;
    return token.kind === 'text' ? this.#table.constant(token.text) : this.#table.named(token.text, this, token);
  }

  /** `if CONDITION` or nothing, and then the end of the line. */
  condition(): Expression {
    const condition = this.passes('if') ? this.expression('condition') : yes;
    this.end();
    return condition;
  }

  /**
   * `||` binds weaker than `&&`, that weaker than `!`. In a condition m counts as `m && MODULES`, as Kconfig has it.
   */
  expression(as: 'condition' | 'value'): Expression {
    const terms = [this.#conjunction(as)];
    while (this.#passesOperator('||')) terms.push(this.#conjunction(as));
    return terms.length === 1 ? terms[0]! : { kind: 'or', terms };
  }

  #conjunction(as: 'condition' | 'value'): Expression {
    const terms = [this.#factor(as)];
    while (this.#passesOperator('&&')) terms.push(this.#factor(as));
    return terms.length === 1 ? terms[0]! : { kind: 'and', terms };
  }

  #factor(as: 'condition' | 'value'): Expression {
    if (this.#depth >= deepest) {
      throw this.failNext(`more than ${deepest} parentheses and ! are inside each other`, 'write it simpler');
    }
    this.#depth += 1;
    try {
      if (this.#passesOperator('!')) return { kind: 'not', of: this.#factor(as) };
      if (this.#passesOperator('(')) {
        const inner = this.expression(as);
        if (!this.#passesOperator(')')) throw this.failNext('a parenthesis is not closed', 'write )');
        return inner;
      }
      const token = this.#peek();
      const left = this.operand();
      const next = this.#peek();
      if (next?.kind === 'operator' && relations.has(next.operator)) {
        this.#index += 1;
        return { kind: 'relation', relation: next.operator as Relation, left, right: this.operand() };
      }
      if (as === 'condition' && left.name === 'm' && left === triConstant('m')) {
        return { kind: 'and', terms: [left, this.#table.named('MODULES', this, token!)] };
      }
      return left;
    } finally {
      this.#depth -= 1;
    }
  }

  #peek(): Token | undefined {
    return this.#line.tokens[this.#index];
  }

  #passesOperator(operator: Operator): boolean {
    const token = this.#peek();
    if (token?.kind !== 'operator' || token.operator !== operator) return false;
    this.#index += 1;
    return true;
  }
}
