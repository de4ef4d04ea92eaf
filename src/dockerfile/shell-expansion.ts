import { readWord, type Piece, type Word } from './shell-tokens.ts';

/** Stands in a value for what cannot be known before the build. */
export const unknown = '\0';
/** More values than these of one word are not followed: it is then unknown. */
const mostValues = 64;
/** Of `${A:-${B:-…}}`. */
const deepest = 32;

export interface ShellOptions {
  /** ARG and ENV at this point. */
  variables: ReadonlyMap<string, string>;
  /** Names whose values cannot be known. */
  doubtful: ReadonlySet<string>;
  /** Whether any other name may be set too. */
  open: boolean;
  /** What `uname -m` and `dpkg --print-architecture` answer. */
  machine: string;
  architecture: string;
}

/** Expansion of words (POSIX XCU 2.6) by the variables of a script, as far as these are known. */
export class ShellExpansion {
  readonly #options: ShellOptions;
  readonly #own = new Map<string, string[]>();
  #depth = 0;

  constructor(options: ShellOptions) {
    this.#options = options;
  }

  /** The script sets a variable, to one of these values. */
  assign(name: string, values: readonly string[]): void {
    this.#own.set(name, capped(values));
  }

  /** The values that a variable may have here. */
  current(name: string): string[] {
    const { variables, doubtful, open } = this.#options;
    const own = this.#own.get(name);
    if (own) return own;
    if (doubtful.has(name)) return [unknown];
    const value = variables.get(name);
    if (value !== undefined) return [value];
    // Shells set some of their own, and HOME is that of a user.
    return open || /^\W|^\d|^(?:HOME|PWD|USER|HOSTNAME|RANDOM|UID|OLDPWD)$/.test(name) ? [unknown] : [''];
  }

  /** Every value that the word may have. */
  values(word: Pick<Word, 'pieces'>): string[] {
    let found = [''];
    for (const piece of word.pieces) {
      const values = this.#pieceValues(piece);
      found = capped(found.flatMap((before) => values.map((value) => before + value)));
    }
    return found;
  }

  #pieceValues(piece: Piece): string[] {
    const { machine, architecture } = this.#options;
    if (piece.kind === 'text') return [piece.text];
    if (piece.kind === 'command') {
      if (/^(?:uname (?:-m|-p|-i|--machine)|arch)$/.test(piece.text)) return [machine];
      if (/^dpkg --print-architecture$/.test(piece.text)) return [architecture];
      return [unknown];
    }
    const { name, operator, word } = piece;
    const values = this.current(name);
    const inner = (): string[] => {
      if (this.#depth >= deepest) return [unknown];
      this.#depth++;
      const found = this.values(readWord(`"${word}"`, 0).word);
      this.#depth--;
      return found;
    };
    const empty = (value: string) => value === '';
    switch (operator) {
      case '':
        return values;
      case '-':
      case ':-':
      case '=':
      case ':=':
        // An unset variable and an empty one are told apart by nobody here.
        return values.flatMap((value) => (empty(value) ? inner() : value === unknown ? [unknown] : [value]));
      case '+':
      case ':+':
        return values.flatMap((value) => (empty(value) ? [''] : value === unknown ? [unknown] : inner()));
      case '?':
      case ':?':
        return values;
      default:
        return [unknown];
    }
  }
}

function capped(values: readonly string[]): string[] {
  const each = [...new Set(values)];
  return each.length > mostValues ? [unknown] : each;
}
