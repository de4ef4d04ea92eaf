import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/failure.ts';
import { instructionText, type Instruction } from '../../src/dockerfile/instruction.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';

const parse = (text: string) => parseDockerfile(text, 'Dockerfile');
const text = (instruction: Instruction) => instructionText(instruction, ({ value }) => value);
const texts = (source: string) => parse(source).instructions.map(text);
const failure = (source: string): Failure => {
  try {
    parse(source);
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
};

describe('layout', () => {
  test('comments, blank lines, indentation and case of keywords', () => {
    const source = '\n# comment\n  from debian:12 as Build\n\n\t# another\n\trun   make  all\n';
    expect(texts(source)).toEqual(['FROM debian:12 AS build', 'RUN make  all']);
  });

  test('a continuation goes on over comments and empty lines', () => {
    const source = 'FROM a\nRUN one && \\\n# comment \\\n\n   # indented comment\n  two && \\   \n  three\nUSER x';
    expect(texts(source)).toEqual(['FROM a', 'RUN one &&   two &&   three', 'USER x']);
  });

  test('two backslashes at the end are no continuation', () => {
    expect(texts('FROM a\nRUN echo \\\\\nUSER x')).toEqual(['FROM a', 'RUN echo \\\\', 'USER x']);
  });

  test('a comment that ends with a backslash does not go on', () => {
    expect(texts('FROM a\n# c \\\nUSER x')).toEqual(['FROM a', 'USER x']);
  });

  test('a continuation at the end of the file', () => {
    expect(texts('FROM a\nRUN x \\')).toEqual(['FROM a', 'RUN x']);
  });

  test('CRLF and a byte order mark change nothing', () => {
    const source = '\uFEFF# escape=`\r\nFROM a\r\nRUN one `\r\n  two\r\n';
    expect(texts(source)).toEqual(['FROM a', 'RUN one   two']);
  });

  test('# after other text is no comment', () => {
    expect(texts('FROM a\nRUN echo # not a comment')).toEqual(['FROM a', 'RUN echo # not a comment']);
  });
});

describe('directives', () => {
  test('syntax, escape and check before everything else', () => {
    const { directives, escape } = parse('# syntax=docker/dockerfile:1 x\n#escape = `\n# check=skip=all\nFROM a\n');
    expect(directives.map(({ name, value, at }) => [name, value, at.line])).toEqual([
      ['syntax', 'docker/dockerfile:1', 1],
      ['escape', '`', 2],
      ['check', 'skip=all', 3],
    ]);
    expect(escape).toBe('`');
  });

  test.each([
    ['a comment', '# comment\n# escape=`\nFROM a'],
    ['a blank line', '\n# escape=`\nFROM a'],
    ['an unknown directive', '# other=1\n# escape=`\nFROM a'],
    ['an instruction', 'FROM a\n# escape=`'],
  ])('%s ends them', (_name, source) => expect(parse(source).directives).toEqual([]));

  test('# syntax stands behind #!', () => {
    expect(parse('#!/usr/bin/env docker\n# syntax=x/y\nFROM a').directives[0]).toMatchObject({ value: 'x/y' });
  });

  test('a second one is an error at its line', () => {
    expect(failure('# escape=`\n# escape=`\nFROM a').at).toMatchObject({ line: 2 });
    expect(failure('# syntax=a\n# syntax=b\nFROM a').at).toMatchObject({ line: 2 });
  });

  test('only two characters can escape', () => {
    expect(failure('# escape=x\nFROM a').message).toContain('escape character');
  });
});

describe('heredocs', () => {
  test('bodies that look like instructions are bodies', () => {
    const { instructions } = parse('FROM a\nRUN <<EOF\nFROM b\n# kept\n\nCOPY x \\\nEOF\nUSER x\n');
    expect(instructions.map(({ keyword }) => keyword)).toEqual(['FROM', 'RUN', 'USER']);
    expect(instructions[1]!.heredocs).toEqual([
      { name: 'EOF', expands: true, tabs: false, body: 'FROM b\n# kept\n\nCOPY x \\\n' },
    ]);
    expect(instructions[1]!.lines).toEqual([2, 7]);
  });

  test('several in one instruction, quoted and with tabs', () => {
    const { instructions } = parse('FROM a\nCOPY <<-"one" <<two /d/\n\tx $y\n\tone\nz\ntwo\n');
    expect(instructions[1]!.heredocs).toEqual([
      { name: 'one', expands: false, tabs: true, body: '\tx $y\n' },
      { name: 'two', expands: true, tabs: false, body: 'z\n' },
    ]);
  });

  test.each([
    'RUN <<EOF cat',
    'RUN cat << EOF | sh',
    'RUN python3 3<<EOF',
    'ONBUILD RUN <<EOF',
    'RUN --network=none <<EOF',
  ])('%s begins one', (line) =>
    expect(parse(`FROM a\n${line}\nbody\nEOF\n`).instructions[1]!.heredocs[0]).toMatchObject({ body: 'body\n' }),
  );

  test.each([
    'RUN echo "<<EOF"',
    "RUN echo it's <<EOF",
    'RUN ["cat", "<<EOF"]',
    'RUN cat <<<EOF',
    'CMD cat <<EOF',
    'RUN echo $((1<<2))',
  ])('%s begins none', (line) => expect(parse(`FROM a\n${line}\nUSER EOF`).instructions).toHaveLength(3));

  test('line ends in a body are kept', () => {
    expect(parse('FROM a\r\nRUN <<EOF\r\nx\r\nEOF\r\n').instructions[1]!.heredocs[0]!.body).toBe('x\r\n');
  });

  test('one without end is an error at its instruction', () => {
    const { at, because } = failure('FROM a\n  RUN cat <<EOF\nx\nEOF2');
    expect(at).toMatchObject({ line: 2, column: 3, length: 3, text: '  RUN cat <<EOF' });
    expect(because).toContain('<<EOF');
  });
});

describe('flags and operands', () => {
  test('flags in any number, repeated, with quotes', () => {
    const source = `FROM a\nCOPY --from=b --chown=1:2 --exclude=*.md  --exclude="a b" --link --parents x/ y /z/`;
    expect(parse(source).instructions[1]!.flags).toEqual([
      { name: 'from', value: 'b' },
      { name: 'chown', value: '1:2' },
      { name: 'exclude', value: '*.md' },
      { name: 'exclude', value: 'a b' },
      { name: 'link', value: undefined },
      { name: 'parents', value: undefined },
    ]);
    expect(texts(source)[1]).toBe('COPY --from=b --chown=1:2 --exclude=*.md --exclude="a b" --link --parents x/ y /z/');
  });

  test('-- ends the flags', () => {
    expect(parse('FROM a\nRUN -- --mount=x').instructions[1]).toMatchObject({
      flags: [],
      operands: { form: 'text', text: '--mount=x' },
    });
  });

  test('the JSON form with odd spaces', () => {
    expect(texts('FROM a\nCOPY   [ "a b" ,\t"c"\\\n ,"d" ]\nCMD [  ]')).toEqual([
      'FROM a',
      'COPY ["a b","c","d"]',
      'CMD []',
    ]);
  });

  test("what only looks like JSON is the shell's", () => {
    expect(texts("FROM a\nRUN [ 'a' ]\nRUN [ -f x ] && y")).toEqual(['FROM a', "RUN [ 'a' ]", 'RUN [ -f x ] && y']);
  });

  test('JSON of other things than strings is an error', () => {
    expect(failure('FROM a\nRUN ["a", 1]').because).toContain('strings');
  });

  test('ENV and LABEL: pairs, quotes, and the old form', () => {
    const { instructions } = parse('FROM a\nENV A=1  B="2 3" C=4\\ 5\nENV OLD some text  here\nLABEL "a b"=c');
    expect(instructions.slice(1).map(({ operands }) => operands)).toEqual([
      {
        form: 'pairs',
        pairs: [
          { name: 'A', value: '1', spaced: false },
          { name: 'B', value: '"2 3"', spaced: false },
          { name: 'C', value: '4\\ 5', spaced: false },
        ],
      },
      { form: 'pairs', pairs: [{ name: 'OLD', value: 'some text  here', spaced: true }] },
      { form: 'pairs', pairs: [{ name: '"a b"', value: 'c', spaced: false }] },
    ]);
  });

  test('HEALTHCHECK and ONBUILD hold a command', () => {
    const source = 'FROM a\nHEALTHCHECK --interval=5s  cmd [ "a" ]\nHEALTHCHECK none\nonbuild   copy  a   /b';
    expect(texts(source).slice(1)).toEqual([
      'HEALTHCHECK --interval=5s CMD ["a"]',
      'HEALTHCHECK NONE',
      'ONBUILD COPY a /b',
    ]);
  });
});

describe('errors name file, line, column and what to do', () => {
  test.each([
    ['', 'there are no instructions', 1, 1],
    ['# only\n', 'there are no instructions', 1, 1],
    ['FROM a\n  FETCH x', 'unknown instruction "FETCH"', 2, 3],
    ['FROM a b', 'FROM takes one image', 1, 1],
    ['FROM a AS 1x', '"1x" can\'t name a stage', 1, 1],
    ['FROM a\nCOPY x', 'COPY needs a source and a destination', 2, 1],
    ['FROM a\nENV', 'ENV needs at least one argument', 2, 1],
    ['FROM a\nENV A', 'ENV A has no value', 2, 1],
    ['FROM a\nENV A=1 B', '"B" is not NAME=value', 2, 1],
    ['FROM a\nARG =x', 'an ARG has no name', 2, 1],
    ['FROM a\nSHELL bash', 'SHELL takes the JSON form only', 2, 1],
    ['FROM a\nONBUILD FROM b', "FROM can't be an ONBUILD trigger", 2, 1],
    ['FROM a\nONBUILD ONBUILD RUN x', "ONBUILD can't be an ONBUILD trigger", 2, 1],
  ])('%j', (source, because, line, column) => {
    const found = failure(source);
    expect(found.because).toContain(because);
    expect(found.at).toMatchObject({ file: 'Dockerfile', line, column });
    expect(found.fix).toBeTruthy();
    expect(found.exitCode).toBe(2);
  });
});

test('a place within an instruction is found on its own line', () => {
  const dockerfile = parse('FROM a\nCOPY one \\\n  two /d/');
  expect(dockerfile.locate(dockerfile.instructions[1]!, 'two')).toEqual({
    file: 'Dockerfile',
    line: 3,
    column: 3,
    length: 3,
    text: '  two /d/',
  });
});
