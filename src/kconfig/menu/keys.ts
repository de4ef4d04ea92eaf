import { StringDecoder } from 'node:string_decoder';

export type Key =
  | { name: 'up' | 'down' | 'left' | 'right' | 'page-up' | 'page-down' | 'home' | 'end' }
  | { name: 'enter' | 'escape' | 'backspace' | 'delete' | 'tab' | 'interrupt' | 'suspend' | 'redraw' }
  | { name: 'text'; text: string };

const sequences: Record<string, Key['name']> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  '1~': 'home',
  '3~': 'delete',
  '4~': 'end',
  '5~': 'page-up',
  '6~': 'page-down',
  '7~': 'home',
  '8~': 'end',
};
const controls: Record<string, Key['name']> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\u0003': 'interrupt',
  '\u0008': 'backspace',
  '\u000c': 'redraw',
  '\u001a': 'suspend',
  '\u007f': 'backspace',
};

/** Makes keys of the bytes that a terminal sends (ECMA-48, and xterm's ways to say cursor keys). */
export class KeyReader {
  readonly #decoder = new StringDecoder('utf8');
  #pending = '';

  /** Whether the beginning of a sequence waits for its rest: an Escape key looks the same. */
  get waits(): boolean {
    return this.#pending !== '';
  }

  read(bytes: Buffer): Key[] {
    this.#pending += this.#decoder.write(bytes);
    const keys: Key[] = [];
    for (let taken = this.#take(); taken; taken = this.#take()) if (taken !== 'nothing') keys.push(taken);
    return keys;
  }

  /** When nothing came for a while: what waits is an Escape key, and whatever followed it. */
  flush(): Key[] {
    if (this.#pending === '') return [];
    const rest = this.#pending.slice(1);
    this.#pending = '';
    return [{ name: 'escape' }, ...(rest === '' ? [] : this.read(Buffer.from(rest)))];
  }

  /** The next key; `nothing` for a sequence without meaning here; undefined when more is needed. */
  #take(): Key | 'nothing' | undefined {
    const text = this.#pending;
    if (text === '') return undefined;
    if (text[0] !== '\u001b') return this.#takeCharacter();
    if (text.length === 1) return undefined;
    if (text[1] === '\u001b') {
      this.#pending = text.slice(1);
      return { name: 'escape' };
    }
    if (text[1] === '[') {
      // oxlint-disable-next-line no-control-regex -- these are what is looked for
      const match = /^\u001b\[([0-?]*)[ -/]*([@-~])/.exec(text);
      if (!match) {
        if (/^.\[[0-?]*[ -/]*$/s.test(text) && text.length < 32) return undefined;
        this.#pending = text.slice(2);
        return 'nothing';
      }
      this.#pending = text.slice(match[0].length);
      const [, parameters = '', final = ''] = match;
      return named(final === '~' ? `${parameters.split(';')[0]}~` : final);
    }
    if (text[1] === 'O') {
      if (text.length === 2) return undefined;
      this.#pending = text.slice(3);
      return named(text[2] === 'M' ? 'M' : text[2]!);
    }
    this.#pending = text.slice(1);
    return { name: 'escape' };
  }

  #takeCharacter(): Key | 'nothing' {
    const character = String.fromCodePoint(this.#pending.codePointAt(0)!);
    this.#pending = this.#pending.slice(character.length);
    const control = Object.hasOwn(controls, character) ? controls[character] : undefined;
    if (control !== undefined) return { name: control } as Key;
    return character < ' ' || (character >= '\u0080' && character < '\u00a0')
      ? 'nothing'
      : { name: 'text', text: character };
  }
}

function named(sequence: string): Key | 'nothing' {
  if (sequence === 'M') return { name: 'enter' };
  const name = Object.hasOwn(sequences, sequence) ? sequences[sequence] : undefined;
  return name === undefined ? 'nothing' : ({ name } as Key);
}
