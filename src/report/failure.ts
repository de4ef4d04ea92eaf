import { Failure, Failures, type SourceLocation } from '../failure.ts';

/** What can be coloured; identity functions where colour is unwelcome. */
export interface Style {
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

const sgr = (code: number, end: number) => (text: string) => `\u001B[${code}m${text}\u001B[${end}m`;

/** Colours on a terminal, unless NO_COLOR (no-color.org) or TERM=dumb asks for none. */
export function styleFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): Style {
  const plain = (text: string) => text;
  if (!stream.isTTY || env.NO_COLOR || env.TERM === 'dumb') {
    return { red: plain, green: plain, yellow: plain, dim: plain, bold: plain };
  }
  return { red: sgr(31, 39), green: sgr(32, 39), yellow: sgr(33, 39), dim: sgr(2, 22), bold: sgr(1, 22) };
}

/** The line that is wrong, with a caret under what is meant. Tabs keep their width, so that the caret stands right. */
function excerpt(at: SourceLocation, style: Style): string {
  const number = String(at.line);
  const indent = at.text.slice(0, at.column - 1).replaceAll(/[^\t]/g, ' ');
  const carets = '^'.repeat(Math.max(1, at.length));
  const gutter = ' '.repeat(number.length);
  return [
    `${style.dim(`${gutter} |`)}`,
    `${style.dim(`${number} |`)} ${at.text}`,
    `${style.dim(`${gutter} |`)} ${indent}${style.red(carets)}`,
  ].join('\n');
}

function renderOne(failure: Failure, style: Style): string {
  const parts = [`${style.red('error:')} ${failure.doing}: ${failure.because}`];
  if (failure.at) {
    parts[0] = `${style.bold(`${failure.at.file}:${failure.at.line}:${failure.at.column}:`)} ${parts[0]}`;
    parts.push(excerpt(failure.at, style));
  }
  if (failure.fix !== undefined) parts.push(`${style.green('next:')} ${failure.fix}`);
  return parts.join('\n');
}

/** What a user sees of an error. A defect of imgbuild itself is told as one, without a stack trace. */
export function renderError(error: unknown, style: Style): string {
  if (error instanceof Failures) return error.failures.map((failure) => renderOne(failure, style)).join('\n\n');
  if (error instanceof Failure) return renderOne(error, style);
  if (error instanceof AggregateError) return error.errors.map((one) => renderError(one, style)).join('\n\n');
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return [
    `${style.red('error:')} imgbuild met something it does not expect: ${message}`,
    `${style.green('next:')} run again with IMGBUILD_DEBUG=1 for the place, and report it with what you see`,
  ].join('\n');
}

export function exitCodeOf(error: unknown): number {
  return error instanceof Failure || error instanceof Failures ? error.exitCode : 1;
}
