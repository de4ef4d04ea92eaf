/** A part of a shell's word, as POSIX XCU 2.2 and 2.6 have them. */
export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'variable'; name: string; operator: string; word: string }
  | { kind: 'command'; text: string };

export interface Word {
  kind: 'word';
  pieces: Piece[];
  /** As written. */
  raw: string;
  quoted: boolean;
}

export type Token = Word | { kind: 'operator'; text: string };

const operators = [
  ';;',
  '&&',
  '||',
  '>>',
  '<<-',
  '<<<',
  '<<',
  '>&',
  '<&',
  '&>',
  '>|',
  ';',
  '&',
  '|',
  '(',
  ')',
  '<',
  '>',
  '\n',
];

/** Index behind the closing one of a pair that opens before `from`. */
function closing(text: string, from: number, open: string, close: string): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    const char = text[at]!;
    if (char === '\\') at++;
    else if (char === "'" && open === '(') at = endOf(text, "'", at + 1);
    else if (char === open) depth++;
    else if (char === close && --depth === 0) return at + 1;
  }
  return text.length;
}

function endOf(text: string, char: string, from: number): number {
  const found = text.indexOf(char, from);
  return found < 0 ? text.length : found;
}

function dollar(text: string, at: number): { piece: Piece; end: number } {
  const next = text[at + 1];
  if (next === '(') {
    const end = closing(text, at + 2, '(', ')');
    return { piece: { kind: 'command', text: text.slice(at + 2, end - 1).trim() }, end };
  }
  if (next === '{') {
    const end = closing(text, at + 2, '{', '}');
    const [, name = '', operator = '', word = ''] = /^(\w*)(:?[-=+?]|%%?|##?|\/\/?|.)?(.*)$/s.exec(
      text.slice(at + 2, end - 1),
    )!;
    return { piece: { kind: 'variable', name, operator, word }, end };
  }
  const name = /^[A-Za-z_]\w*|^[\d?#@*$!-]/.exec(text.slice(at + 1))?.[0];
  if (name === undefined) return { piece: { kind: 'text', text: '$' }, end: at + 1 };
  return { piece: { kind: 'variable', name, operator: '', word: '' }, end: at + 1 + name.length };
}

export function readWord(text: string, from: number): { word: Word; end: number } {
  const pieces: Piece[] = [];
  const add = (more: string) => {
    const last = pieces.at(-1);
    if (last?.kind === 'text') last.text += more;
    else pieces.push({ kind: 'text', text: more });
  };
  let at = from;
  let double = false;
  let quoted = false;
  while (at < text.length) {
    const char = text[at]!;
    if (char === '\\') {
      const next = text[at + 1] ?? '';
      if (next !== '\n') add(double && !'$`"\\'.includes(next) ? char + next : next);
      at += 2;
    } else if (char === '"') {
      double = !double;
      quoted = true;
      at++;
    } else if (char === "'" && !double) {
      const end = endOf(text, "'", at + 1);
      add(text.slice(at + 1, end));
      quoted = true;
      at = end + 1;
    } else if (char === '$') {
      const { piece, end } = dollar(text, at);
      if (piece.kind === 'text') add(piece.text);
      else pieces.push(piece);
      at = end;
    } else if (char === '`') {
      const end = endOf(text, '`', at + 1);
      pieces.push({ kind: 'command', text: text.slice(at + 1, end).trim() });
      at = end + 1;
    } else if (!double && (/[ \t\r]/.test(char) || operators.some((operator) => operator === char))) {
      break;
    } else {
      add(char);
      at++;
    }
  }
  return { word: { kind: 'word', pieces, raw: text.slice(from, at), quoted }, end: Math.max(at, from + 1) };
}

export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (/[ \t\r]/.test(char)) at++;
    else if (char === '\\' && text[at + 1] === '\n') at += 2;
    else if (char === '#') at = endOf(text, '\n', at);
    else {
      const operator = operators.find((one) => text.startsWith(one, at));
      if (operator !== undefined) {
        tokens.push({ kind: 'operator', text: operator });
        at += operator.length;
        continue;
      }
      const { word, end } = readWord(text, at);
      tokens.push(word);
      at = end;
    }
  }
  return tokens;
}
