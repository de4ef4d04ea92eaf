import type { Finding } from '../build/examine.ts';
import type { Style } from './failure.ts';

/** One line a finding, and below it what to do. */
export function renderExamination(findings: readonly Finding[], style: Style): string {
  const marks = { ok: style.green('ok     '), warning: style.yellow('warning'), error: style.red('error  ') };
  const lines = findings.flatMap(({ level, subject, text, fix }) => [
    `${marks[level]}  ${style.bold(subject)}: ${text}`,
    ...(fix === undefined ? [] : [`         ${style.dim('next:')} ${fix}`]),
  ]);
  return `${lines.join('\n')}\n`;
}
