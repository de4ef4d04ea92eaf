import type { Key } from './keys.ts';

/** A line of text that is being typed. `cursor` counts characters before it. */
export interface TextField {
  characters: string[];
  cursor: number;
}

export function textField(text: string): TextField {
  const characters = [...text];
  return { characters, cursor: characters.length };
}

export const textOf = ({ characters }: TextField): string => characters.join('');

/** The field after a key; undefined where the key is none of editing. */
export function edited({ characters, cursor }: TextField, key: Key): TextField | undefined {
  switch (key.name) {
    case 'text':
      return { characters: characters.toSpliced(cursor, 0, key.text), cursor: cursor + 1 };
    case 'backspace':
      if (cursor === 0) return { characters, cursor };
      return { characters: characters.toSpliced(cursor - 1, 1), cursor: cursor - 1 };
    case 'delete':
      return { characters: characters.toSpliced(cursor, 1), cursor };
    case 'left':
      return { characters, cursor: Math.max(0, cursor - 1) };
    case 'right':
      return { characters, cursor: Math.min(characters.length, cursor + 1) };
    case 'home':
      return { characters, cursor: 0 };
    case 'end':
      return { characters, cursor: characters.length };
    default:
      return undefined;
  }
}
