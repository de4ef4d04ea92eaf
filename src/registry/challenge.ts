/** One challenge of a WWW-Authenticate header; names of parameters are in lower case. RFC 9110, 11.6.1. */
export interface Challenge {
  scheme: 'basic' | 'bearer' | string;
  parameters: Record<string, string>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const parameter = /\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/y;

/** Every challenge in the header; several headers may come joined by commas. What cannot be read ends the list. */
export function parseChallenges(header: string | string[] | undefined): Challenge[] {
  const text = Array.isArray(header) ? header.join(', ') : (header ?? '');
  const challenges: Challenge[] = [];
  let at = 0;
  while (at < text.length) {
    at += /^[\s,]*/.exec(text.slice(at))![0].length;
    token.lastIndex = at;
    const scheme = token.exec(text);
    if (scheme === null) break;
    at = token.lastIndex;
    const challenge: Challenge = { scheme: scheme[0].toLowerCase(), parameters: {} };
    for (;;) {
      parameter.lastIndex = at;
      const found = parameter.exec(text);
      if (found === null) break;
      challenge.parameters[found[1]!.toLowerCase()] = found[2]?.replaceAll(/\\(.)/g, '$1') ?? found[3]!;
      at = parameter.lastIndex;
      const comma = /^\s*,/.exec(text.slice(at));
      // A comma ends the challenge too: what follows is a parameter only when it has an '='.
      if (comma === null) break;
      parameter.lastIndex = at + comma[0].length;
      if (parameter.exec(text) === null) break;
      at += comma[0].length;
    }
    challenges.push(challenge);
  }
  return challenges;
}
