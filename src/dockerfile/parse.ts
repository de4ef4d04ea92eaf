import { Failure, type SourceLocation } from '../failure.ts';
import { directiveOf, syntaxOf, type Directive } from './directives.ts';
import { heredocsOf, type Heredoc } from './heredoc.ts';
import type { Instruction, Operands, Pair } from './instruction.ts';
import { parseJsonForm, splitFirst, splitQuoted, splitWords, takeFlags, trim, trimLeft } from './words.ts';

/** A Dockerfile as written: nothing is expanded and no stage is resolved. */
export interface Dockerfile {
  /** For messages. */
  file: string;
  directives: Directive[];
  escape: '\\' | '`';
  instructions: Instruction[];
  /** A place within the lines of an instruction: `text`'s first occurrence there, else the keyword. */
  locate(instruction: Instruction, text?: string): SourceLocation;
}

const keywords = [
  'ADD',
  'ARG',
  'CMD',
  'COPY',
  'ENTRYPOINT',
  'ENV',
  'EXPOSE',
  'FROM',
  'HEALTHCHECK',
  'LABEL',
  'MAINTAINER',
  'ONBUILD',
  'RUN',
  'SHELL',
  'STOPSIGNAL',
  'USER',
  'VOLUME',
  'WORKDIR',
];
const takesHeredocs = new Set(['ADD', 'COPY', 'RUN']);

/**
 * Reads a Dockerfile as BuildKit's frontend does (https://docs.docker.com/reference/dockerfile/). `at` puts all errors
 * in one place: for ONBUILD triggers, which come from an image; or each line in one of its own: for what is generated.
 * Throws a Failure with file, line and column.
 */
export function parseDockerfile(
  source: string,
  file: string,
  at?: SourceLocation | ((line: number) => SourceLocation),
): Dockerfile {
  const lines = source.replace(/^\uFEFF/, '').split('\n');
  const texts = lines.map((line) => line.replace(/\r+$/, ''));
  const place = (line: number, column = 1, length = 1): SourceLocation => {
    if (typeof at === 'function') return at(line + 1);
    return at ?? { file, line: line + 1, column, length: Math.max(1, length), text: texts[line] ?? '' };
  };
  const keywordPlace = (line: number) => {
    const text = texts[line] ?? '';
    const word = /\S+/.exec(text);
    return place(line, (word?.index ?? 0) + 1, word?.[0].length);
  };
  const fail = (where: SourceLocation, because: string, fix: string): never => {
    throw new Failure({ doing: `reading ${file}`, because, fix, at: where, kind: 'input' });
  };

  const directives: Directive[] = [];
  const syntax = syntaxOf(texts, (line) => place(line, 1, texts[line]!.length));
  if (syntax) directives.push(syntax);
  let escape: '\\' | '`' = '\\';
  const instructions: Instruction[] = [];
  let directivesOver = false;
  let next = 0;

  const readDirective = (line: number) => {
    const directive = directivesOver ? undefined : directiveOf(trimLeft(texts[line]!), '#');
    if (!directive) {
      directivesOver = true;
      return;
    }
    const { name, value } = directive;
    const where = place(line, 1, texts[line]!.length);
    if (directives.some((one) => one.name === name && one.at.line !== where.line)) {
      fail(where, `a second # ${name}= line`, `keep one of the # ${name}= lines`);
    }
    if (name === 'syntax') return;
    if (name === 'escape') {
      if (value !== '\\' && value !== '`')
        fail(where, `${JSON.stringify(value)} can't be the escape character`, 'write # escape=\\ or # escape=`');
      escape = value as '\\' | '`';
    }
    directives.push({ name, value, at: where });
  };

  /** The line without its continuation mark: `ends` is false when it had one. */
  const withoutMark = (line: string): { text: string; ends: boolean } => {
    let end = line.length;
    while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--;
    const marked = line[end - 1] === escape && (end === 1 || line[end - 2] !== escape);
    return marked ? { text: line.slice(0, end - 1), ends: false } : { text: line, ends: true };
  };

  const readBody = (heredoc: Heredoc, first: number): Heredoc => {
    let body = '';
    // A file's last piece is empty when it ends with a newline: that is no line.
    for (; next < lines.length && !(next === lines.length - 1 && lines[next] === ''); next++) {
      const text = heredoc.tabs ? texts[next]!.replace(/^\t+/, '') : texts[next]!;
      if (text === heredoc.name) {
        next++;
        return { ...heredoc, body };
      }
      body += next === lines.length - 1 ? lines[next]! : `${lines[next]!}\n`;
    }
    return fail(
      keywordPlace(first),
      `the heredoc <<${heredoc.name} has no end`,
      `put a line with only ${heredoc.name} below its text`,
    );
  };

  while (next < lines.length) {
    const first = next++;
    readDirective(first);
    const start = trimLeft(texts[first]!);
    if (start.startsWith('#')) continue;
    let { text, ends } = withoutMark(start);
    if (ends && text === '') continue;
    while (!ends && next < lines.length) {
      const line = texts[next++]!;
      const trimmed = trimLeft(line);
      if (trimmed === '' || trimmed.startsWith('#')) continue;
      const piece = withoutMark(line);
      text += piece.text;
      ends = piece.ends;
    }
    const where = keywordPlace(first);
    const instruction = parseInstruction(text, escape, where, fail);
    const inner = instruction.operands.form === 'trigger' ? instruction.operands.instruction : instruction;
    if (takesHeredocs.has(inner.keyword) && inner.operands.form !== 'json') {
      for (const heredoc of heredocsOf(text)) instruction.heredocs.push(readBody(heredoc, first));
      inner.heredocs = instruction.heredocs;
    }
    instruction.lines = [first + 1, next];
    instructions.push(instruction);
  }
  if (instructions.length === 0) fail(place(0), 'there are no instructions', 'begin it with FROM and an image');

  return {
    file,
    directives,
    escape,
    instructions,
    locate(instruction, word) {
      if (at || word === undefined || word === '') return instruction.at;
      for (let line = instruction.lines[0] - 1; line < instruction.lines[1]; line++) {
        const from = line === instruction.lines[0] - 1 ? instruction.at.column - 1 + instruction.keyword.length : 0;
        const column = texts[line]?.indexOf(word, from) ?? -1;
        if (column >= 0) return place(line, column + 1, word.length);
      }
      return instruction.at;
    },
  };
}

type Fail = (where: SourceLocation, because: string, fix: string) => never;

function parseInstruction(line: string, escape: string, at: SourceLocation, fail: Fail): Instruction {
  const { first, rest } = splitFirst(trim(line));
  const keyword = first.toUpperCase();
  if (!keywords.includes(keyword)) {
    fail(at, `unknown instruction ${JSON.stringify(first)}`, `the instructions are ${keywords.join(', ')}`);
  }
  const taken = takeFlags(rest, escape);
  const flags = taken.flags.map((flag) => {
    const [, name, value] = /^--([a-z][a-z0-9-]*)(?:=(.*))?$/is.exec(flag) ?? [];
    if (name === undefined) return fail(at, `${JSON.stringify(flag)} is no flag`, 'write --NAME or --NAME=VALUE');
    return { name, value };
  });
  const operands = parseOperands(keyword, trim(taken.rest), escape, at, fail);
  return { keyword, flags, operands, heredocs: [], at, lines: [at.line, at.line] };
}

function parseOperands(keyword: string, text: string, escape: string, at: SourceLocation, fail: Fail): Operands {
  if (text === '' && keyword !== 'RUN' && keyword !== 'CMD' && keyword !== 'ENTRYPOINT') {
    return fail(at, `${keyword} needs at least one argument`, `write what ${keyword} is about behind it`);
  }
  const json = (otherwise: () => Operands): Operands => {
    const parsed = parseJsonForm(text);
    if (parsed.kind === 'strings') return { form: 'json', words: parsed.words };
    if (parsed.kind === 'none') return otherwise();
    return fail(at, 'the JSON form takes strings only', 'put every word between double quotes');
  };
  const atLeastTwo = (operands: Operands): Operands => {
    if ((operands.form === 'json' || operands.form === 'words') && operands.words.length >= 2) return operands;
    return fail(at, `${keyword} needs a source and a destination`, `write ${keyword} SOURCE… DESTINATION`);
  };
  switch (keyword) {
    case 'ADD':
    case 'COPY':
      return atLeastTwo(json(() => ({ form: 'words', words: splitWords(text) })));
    case 'VOLUME':
      return json(() => ({ form: 'words', words: splitWords(text) }));
    case 'RUN':
    case 'CMD':
    case 'ENTRYPOINT':
      return json(() => ({ form: 'text', text }));
    case 'SHELL': {
      const operands = json(() => ({ form: 'text', text }));
      if (operands.form === 'json' && operands.words.length > 0) return operands;
      return fail(at, 'SHELL takes the JSON form only', 'write SHELL ["program", "argument"]');
    }
    case 'FROM': {
      const words = splitWords(text);
      const named = words.length === 3 && words[1]!.toLowerCase() === 'as';
      if (words.length !== 1 && !named) {
        fail(at, 'FROM takes one image and perhaps a name', 'write FROM IMAGE or FROM IMAGE AS NAME');
      }
      if (named && !/^[a-z][a-z0-9-_.]*$/.test(words[2]!.toLowerCase())) {
        fail(
          at,
          `${JSON.stringify(words[2])} can't name a stage`,
          'begin it with a letter; then letters, digits, - _ .',
        );
      }
      // Names of stages are the same in any case of letters.
      return { form: 'words', words: named ? [words[0]!, 'AS', words[2]!.toLowerCase()] : words };
    }
    case 'EXPOSE':
      return { form: 'words', words: splitWords(text) };
    case 'ARG': {
      const words = splitQuoted(text, escape);
      if (words.length === 0 || words.some((word) => word.startsWith('='))) {
        fail(at, 'an ARG has no name', 'write ARG NAME or ARG NAME=DEFAULT');
      }
      return { form: 'words', words };
    }
    case 'ENV':
    case 'LABEL':
      return { form: 'pairs', pairs: parsePairs(keyword, text, escape, at, fail) };
    case 'HEALTHCHECK': {
      const { first: type, rest } = splitFirst(text);
      const command = trimLeft(rest);
      const inner = command === '' ? undefined : parseOperands('CMD', command, escape, at, fail);
      return { form: 'health', type: type.toUpperCase(), command: inner };
    }
    case 'ONBUILD': {
      const instruction = parseInstruction(text, escape, at, fail);
      if (['ONBUILD', 'FROM', 'MAINTAINER'].includes(instruction.keyword)) {
        fail(at, `${instruction.keyword} can't be an ONBUILD trigger`, 'write an instruction that a child can run');
      }
      return { form: 'trigger', instruction };
    }
    default:
      return { form: 'text', text };
  }
}

function parsePairs(keyword: string, text: string, escape: string, at: SourceLocation, fail: Fail): Pair[] {
  const words = splitQuoted(text, escape);
  if (words.length === 0) fail(at, `${keyword} needs at least one argument`, `write ${keyword} NAME=value`);
  if (!words[0]!.includes('=')) {
    const { first, rest } = splitFirst(text);
    if (rest === '') fail(at, `${keyword} ${first} has no value`, `write ${keyword} ${first}=value`);
    return [{ name: first, value: rest, spaced: true }];
  }
  return words.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) {
      fail(at, `${JSON.stringify(word)} is not NAME=value`, 'put a value with spaces between double quotes');
    }
    return { name: word.slice(0, equals), value: word.slice(equals + 1), spaced: false };
  });
}
