/** What cannot be written into one line of a Dockerfile. */
export class LineEnd extends Error {}

function oneLine(text: string): string {
  if (/[\n\r]/.test(text)) throw new LineEnd('a text has more than one line');
  return text;
}

/** One word of a shell, quoted where it must be. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : quote(text);
}

export function quote(text: string): string {
  return `'${oneLine(text).replaceAll("'", `'\\''`)}'`;
}

/** A command that writes a text into a file; no line of it ends in a way that a Dockerfile reads. */
export function writeFile(text: string, path: string): string {
  const lines = text.replace(/\n$/, '').split('\n').map(quote);
  const apart = lines.length > 2 ? ' \\\n      ' : ' ';
  return `printf '%s\\n'${apart}${lines.join(apart)} > ${word(path)}`;
}

/** `RUN` with its mounts, and commands of which each must succeed. */
export function runInstruction(mounts: readonly string[], commands: readonly string[]): string {
  const flags = mounts.map((mount) => `--mount=${mount} \\\n    `).join('');
  return `RUN ${flags}${commands.join(' \\\n && ')}`;
}

/**
 * Lines of one script for bash, which ends at the first that fails, as envd runs them. The words are JSON, so that nothing
 * in them is read by another shell; the builder joins the lines.
 */
export function scriptInstruction(mounts: readonly string[], lines: readonly string[]): string {
  const flags = mounts.map((mount) => `--mount=${mount} \\\n    `).join('');
  // What is continued for a Dockerfile is for a shell, too.
  const body = lines.flatMap((line) => line.replaceAll('\r\n', '\n').split('\n')).map(jsonLine);
  return `RUN ${flags}["/bin/bash", "-euo", "pipefail", "-c", "\\\n${body.join('\\\n')}\\\n"]`;
}

/** Within a JSON string; builders drop lines that begin with # and those that are empty. */
function jsonLine(line: string): string {
  const inner = JSON.stringify(line).slice(1, -1).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  return `${inner.replace(/^(\s*)#/, '$1\\u0023')}\\n`;
}

/** A word of COPY, ADD or LABEL, in which builders expand variables: none is meant here. */
export function literal(text: string): string {
  const escaped = oneLine(text).replaceAll(/[\\$"]/g, '\\$&');
  return /^[\w@%+=:,./*?$\\-]+$/.test(escaped) ? escaped : `"${escaped}"`;
}
