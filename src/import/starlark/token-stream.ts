import { wrong, type SourceText, type Span } from './source.ts';
import type { Token } from './tokens.ts';

const deepest = 100;

/** Goes through tokens one by one. Its methods throw Failures. */
export class TokenStream {
  readonly source: SourceText;
  readonly #tokens: readonly Token[];
  #index = 0;
  #depth: number;

  /** `depth`: how deep the expression is nested that these tokens are a part of. */
  constructor(source: SourceText, tokens: readonly Token[], depth = 0) {
    this.source = source;
    this.#tokens = tokens;
    this.#depth = depth;
  }

  peek(): Token {
    return this.#tokens[this.#index]!;
  }

  get depth(): number {
    return this.#depth;
  }

  take(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.#index += 1;
    return token;
  }

  is(text: string): boolean {
    const { kind, text: written } = this.peek();
    return (kind === 'operator' || kind === 'keyword') && written === text;
  }

  /** Whether the token after the next is this one. */
  isAfterNext(text: string): boolean {
    const token = this.#tokens[this.#index + 1];
    return token !== undefined && token.kind !== 'string' && token.text === text;
  }

  /** Passes the operator or keyword where it is next. */
  passes(text: string): boolean {
    if (!this.is(text)) return false;
    this.#index += 1;
    return true;
  }

  expect(text: string, where: string): Token {
    if (this.is(text)) return this.take();
    throw this.unexpected(`${text} is missing ${where}`, `write ${text} here`);
  }

  expectName(what: string): Token {
    if (this.peek().kind === 'name') return this.take();
    throw this.unexpected(`${what} is missing here`, 'write a name: letters, digits and _');
  }

  span(token: Token): Span {
    return { source: this.source, start: token.start, end: Math.max(token.end, token.start + 1) };
  }

  unexpected(because: string, fix?: string): Error {
    return wrong(this.span(this.peek()), because, fix);
  }

  /** What is nested deeper than any build file is refused before it fills the stack. */
  nested<T>(parse: () => T): T {
    if (this.#depth >= deepest) throw this.unexpected('this is nested too deep', 'take it apart with variables');
    this.#depth += 1;
    const result = parse();
    this.#depth -= 1;
    return result;
  }
}
