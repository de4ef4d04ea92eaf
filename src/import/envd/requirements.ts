import { posix } from 'node:path';
import { NotLocal, type LocalFiles } from '../local-files.ts';
import { SourceText, wrong, type Span } from '../starlark/source.ts';
import type { Written } from './steps.ts';

/** What a file of requirements reads besides itself. Paths are relative to the context. */
export interface Requirements {
  /** The file first; each once. */
  files: string[];
  /** Whether a path in it is relative to the folder in which pip is started. */
  fromContext: boolean;
}

const mostFiles = 100;

/**
 * The files that pip reads for `-r FILE`: they count by their content, and are there while pip runs. Throws a Failure
 * where one is missing, or where what is installed would be gone after the step.
 */
export function readRequirements(file: Written, context: string, files: LocalFiles): Requirements {
  const found = new Set<string>();
  let fromContext = false;
  const visit = (path: string, span: Span) => {
    if (found.has(path)) return;
    found.add(path);
    if (found.size > mostFiles) throw wrong(span, `these requirements are in more than ${mostFiles} files`);
    const text = local(path, span, () => files.read(posix.join(context, path)));
    const source = new SourceText(posix.join(context, path), text);
    for (const { line, start } of logicalLines(text)) {
      const here: Span = { source, start, end: start + Math.max(1, line.length) };
      const nested = /^(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)/.exec(line)?.[1];
      if (nested !== undefined) {
        if (!/^[a-z+]+:\/\//i.test(nested)) visit(relative(posix.dirname(path), nested, here), here);
        continue;
      }
      const editable = /^(?:-e|--editable)[\s=]*(\S+)/.exec(line)?.[1];
      if (editable !== undefined && !/^[a-z+]+:\/\//i.test(editable)) {
        const fix = 'copy it by io.copy, and write run(commands = ["pip install -e DIR"])';
        throw wrong(here, 'what is installed by -e stays where it is, and that is gone after the step', fix);
      }
      const folder = /^(?:-f|--find-links)[\s=]*(\S+)/.exec(line)?.[1];
      const archive = folder ?? localPath(line);
      if (archive === undefined || /^[a-z+]+:\/\//i.test(archive)) continue;
      const target = relative('.', archive, here);
      local(target, here, () => files.kind(posix.join(context, target)));
      found.add(target);
      fromContext = true;
    }
  };
  visit(relative('.', file.text, file.span), file.span);
  return { files: [...found], fromContext };
}

/** A path that a build file names, relative to the context. */
export function relative(folder: string, path: string, span: Span): string {
  const joined = posix.normalize(posix.join(folder, path)).replace(/(.)\/$/, '$1');
  if (!path.startsWith('/') && joined !== '..' && !joined.startsWith('../')) return joined;
  throw wrong(
    span,
    `${path} lies outside of the context`,
    'move what is needed into it, and write a path relative to it',
  );
}

export function local<T>(_path: string, span: Span, look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw error instanceof NotLocal ? wrong(span, error.message, error.fix) : error;
  }
}

/** Without comments, and with continued lines as one. */
function* logicalLines(text: string): Generator<{ line: string; start: number }> {
  let at = 0;
  let begin = 0;
  let joined = '';
  for (const raw of text.split('\n')) {
    if (joined === '') begin = at + (/^\s*/.exec(raw)?.[0].length ?? 0);
    at += raw.length + 1;
    const plain = raw.trimEnd();
    if (plain.endsWith('\\')) {
      joined += plain.slice(0, -1);
      continue;
    }
    const line = (joined + plain).replace(/(^|\s)#.*$/, '').trim();
    joined = '';
    if (line !== '') yield { line, start: begin };
  }
}

/** As pip tells a path from a name: it has a slash or begins with a dot, or is an archive. */
function localPath(line: string): string | undefined {
  const first = /^[^\s;]+/.exec(line)?.[0] ?? '';
  const path = first.replace(/\[[^\]]*\]$/, '');
  if (/^[a-z+]+:|@/i.test(path) || path.startsWith('-')) return undefined;
  return path.includes('/') || path.startsWith('.') || /\.(whl|zip|tar\.gz|tgz|tar\.bz2)$/i.test(path)
    ? path
    : undefined;
}
