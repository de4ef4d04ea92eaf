/** Of terminals: wide are East Asian characters and emoji; combining marks take no room. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const none = /[\p{Mn}\p{Me}\p{Cf}]/u;

function widthOfCharacter(character: string): number {
  if (character >= ' ' && character <= '~') return 1;
  return none.test(character) ? 0 : wide.test(character) ? 2 : 1;
}

/** Columns that a text takes. */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += widthOfCharacter(character);
  return width;
}

/** The beginning of a text that fits into this many columns. */
export function cut(text: string, columns: number): string {
  let width = 0;
  let end = 0;
  for (const character of text) {
    width += widthOfCharacter(character);
    if (width > columns) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

/** Cut or filled up with blanks to exactly this many columns. */
export function fit(text: string, columns: number): string {
  const shown = cut(text, columns);
  return shown + ' '.repeat(Math.max(0, columns - widthOf(shown)));
}

/** Lines of at most this many columns, broken at blanks where there are some; leading blanks stay. */
export function wrap(text: string, columns: number): string[] {
  const room = Math.max(1, columns);
  return text.split('\n').flatMap((line) => {
    const lines: string[] = [];
    let rest = line;
    while (widthOf(rest) > room && [...rest].length > 1) {
      // At least one character, however narrow the room is.
      const head = cut(rest, room) || [...rest][0]!;
      const blank = head.lastIndexOf(' ');
      const end = rest[head.length] !== ' ' && blank > 0 && head.slice(0, blank).trim() !== '' ? blank : head.length;
      lines.push(rest.slice(0, end).trimEnd());
      rest = rest.slice(end).trimStart();
    }
    return [...lines, rest];
  });
}

/** What stands in files may hold what terminals obey. */
export function harmless(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}
