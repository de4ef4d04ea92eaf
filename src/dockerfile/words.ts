/** White space as Go's unicode.IsSpace has it, which differs from \s in U+0085 and U+FEFF. */
const spaces = '\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const isSpace = new RegExp(`[${spaces}]`);
/** What separates an instruction's words. */
const separator = /[\t\v\f\r ]+/;

export function trimLeft(text: string): string {
  let start = 0;
  while (start < text.length && isSpace.test(text[start]!)) start++;
  return text.slice(start);
}

export function trim(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace.test(text[end - 1]!)) end--;
  return trimLeft(text.slice(0, end));
}

/** The first word and the rest, which is not trimmed at its end. */
export function splitFirst(text: string): { first: string; rest: string } {
  const found = separator.exec(text);
  if (!found) return { first: text, rest: '' };
  return { first: text.slice(0, found.index), rest: text.slice(found.index + found[0].length) };
}

/** Words between white space; quotes mean nothing. */
export function splitWords(text: string): string[] {
  return text === '' ? [] : text.split(separator);
}

/**
 * Takes `--name=value` words off the front. Quotes and the escape character are removed; a lone `--` ends the flags.
 * `rest` begins with the first other word.
 */
export function takeFlags(text: string, escape: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && isSpace.test(text[at]!)) at++;
    if (!text.startsWith('--', at)) return { flags, rest: text.slice(at) };
    let word = '';
    let quote: string | undefined;
    for (; at < text.length; at++) {
      const char = text[at]!;
      if (char === quote) quote = undefined;
      else if (quote === undefined && isSpace.test(char)) break;
      else if (quote === undefined && (char === '"' || char === "'")) quote = char;
      else if (char === escape) {
        if (at + 1 < text.length) word += text[++at]!;
      } else word += char;
    }
    if (word === '--') return { flags, rest: text.slice(at) };
    flags.push(word);
  }
}

/**
 * Words between white space outside of quotes. Quotes and escape characters stay in the words; they are taken away
 * when a word is expanded.
 */
export function splitQuoted(text: string, escape: string): string[] {
  const words: string[] = [];
  const chars = Array.from(text);
  let at = 0;
  for (;;) {
    while (at < chars.length && isSpace.test(chars[at]!)) at++;
    if (at >= chars.length) return words;
    let word = '';
    let quote: string | undefined;
    for (; at < chars.length; at++) {
      const char = chars[at]!;
      if (quote === undefined && isSpace.test(char)) break;
      if (char === escape && quote !== "'") {
        // An escape character at the very end is dropped.
        if (at + 1 < chars.length) word += char + chars[++at]!;
        continue;
      }
      if (quote === undefined && (char === '"' || char === "'")) quote = char;
      else if (char === quote) quote = undefined;
      word += char;
    }
    if (word !== '') words.push(word);
  }
}

/** `strings`: a JSON array of strings. `mixed`: a JSON array of other things too. `none`: no JSON array. */
export function parseJsonForm(text: string): { kind: 'strings'; words: string[] } | { kind: 'mixed' | 'none' } {
  const json = trimLeft(text);
  if (!json.startsWith('[')) return { kind: 'none' };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return { kind: 'none' };
  }
  if (!Array.isArray(parsed)) return { kind: 'none' };
  return parsed.every((word) => typeof word === 'string') ? { kind: 'strings', words: parsed } : { kind: 'mixed' };
}

/** One record of comma-separated values (RFC 4180): undefined when a quote is out of place. */
export function splitCsv(text: string): string[] | undefined {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = '';
    if (text[at] === '"') {
      at++;
      for (;;) {
        const end = text.indexOf('"', at);
        if (end < 0) return undefined;
        field += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        field += '"';
        at++;
      }
      if (at < text.length && text[at] !== ',') return undefined;
    } else {
      const comma = text.indexOf(',', at);
      const end = comma < 0 ? text.length : comma;
      field = text.slice(at, end);
      if (field.includes('"')) return undefined;
      at = end;
    }
    fields.push(field);
    if (at >= text.length) return fields;
    at++;
  }
}
