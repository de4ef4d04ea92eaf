import fc from 'fast-check';
import { expect, test } from 'vitest';
import { analyse } from '../../src/dockerfile/analyse.ts';
import type { AnalysisOptions } from '../../src/dockerfile/analysis.ts';
import { expand, ExpandError } from '../../src/dockerfile/expand.ts';
import { instructionText } from '../../src/dockerfile/instruction.ts';
import { parseDockerfile } from '../../src/dockerfile/parse.ts';
import { Failure } from '../../src/failure.ts';
import { inputLine } from '../../src/plan/input.ts';

const amd64 = { os: 'linux', architecture: 'amd64' };
const options: AnalysisOptions = {
  args: { GIVEN: 'g' },
  platform: amd64,
  buildPlatform: amd64,
  traitsOf: (reference) => (reference === 'known' ? { env: ['E=e'], onbuild: ['COPY o /o'] } : undefined),
};
const lines = (source: string) =>
  analyse(parseDockerfile(source, 'Dockerfile'), options).inputs.map(inputLine).toSorted();

/** Pieces that a parser trips over, in any order. */
const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...'FROM a|FROM known AS b|COPY|ADD|RUN|ENV|ARG|ONBUILD|LABEL|# escape=`|# syntax=x|HEALTHCHECK|SHELL'.split('|'),
    ),
  },
  { weight: 4, arbitrary: fc.constantFrom('\n', ' ', '\\\n', '\\', '`\n', '#', '\r\n', '\t', '\u00a0', '\uFEFF') },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '<<E',
      '<<-"E"',
      'E\n',
      '"',
      "'",
      '[',
      ']',
      '["a"',
      ',',
      '=',
      '$',
      '${',
      '}',
      ':-',
      '/',
      '##',
      '*',
    ),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '--from=0',
      '--from=b',
      '--mount=type=bind',
      '--mount="a,b',
      '--',
      '--exclude=',
      'x',
      '/y',
      '..',
      'https://h/x.git#m',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
);
const soup = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(''));

test('any text is read or refused with a Failure that has a place', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        soup,
        soup.map((text) => `FROM known\n${text}`),
        fc.string({ unit: 'binary' }),
      ),
      (text) => {
        try {
          lines(text);
        } catch (error) {
          if (!(error instanceof Failure)) throw error;
          expect(error.at?.line).toBeGreaterThan(0);
          expect(error.at?.column).toBeGreaterThan(0);
          expect(error.fix).toBeTruthy();
        }
      },
    ),
    { numRuns: 5000 },
  );
});

test('any word expands or is refused with a reason', () => {
  fc.assert(
    fc.property(soup, fc.string(), (word, value) => {
      try {
        expand(word, (name) => (name === 'x' ? value : undefined), { escape: '\\' });
      } catch (error) {
        if (!(error instanceof ExpandError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

test('long lines and deep nests take no long time', () => {
  for (const text of [
    `FROM a\nRUN ${' '.repeat(300_000)}x`,
    `FROM a\nRUN ${'\\ '.repeat(100_000)}x`,
    `FROM a\nENV ${'a=b '.repeat(50_000)}`,
    `FROM a\nCOPY ${'['.repeat(50_000)} x`,
    `FROM a\nRUN ${'<<E '.repeat(2_000)}`,
    `FROM a\n${'ENV A=$A$A\n'.repeat(12)}COPY $A /`,
    '\\\n'.repeat(100_000),
  ]) {
    const started = performance.now();
    try {
      lines(text);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    expect(performance.now() - started).toBeLessThan(5000);
  }
});

/** Instructions whose words are split by white space, so that a line may be broken and spaced anywhere between them. */
const word = fc.stringMatching(/^[a-z][a-z0-9./]{0,8}$/);
const instruction = fc.oneof(
  fc.tuple(word, word).map(([source, to]) => ['COPY', '--link', source, to]),
  fc.tuple(word, word).map(([name, value]) => ['ENV', `${name}=${value}`, 'Z="q"']),
  fc.tuple(word, word).map(([name, value]) => ['ARG', `${name.replace(/\W/g, '')}=${value}`]),
  fc.array(word, { minLength: 1, maxLength: 4 }).map((words) => ['EXPOSE', ...words]),
);
const file = fc
  .array(instruction, { minLength: 1, maxLength: 6 })
  .map((rest) => [['FROM', 'known', 'AS', 'one'], ...rest]);
const gap = fc.constantFrom(' ', '\t', '   ', ' \\\n', '\\\n  ', ' \\\n# note\n\n  # more\n \t');
const between = fc.constantFrom('\n', '\n\n', '\n# note\n', '\n   \n\t# note \\\n', '\r\n');

test('comments, blank lines and continuations change nothing', () => {
  fc.assert(
    fc.property(file, fc.infiniteStream(gap), fc.infiniteStream(between), fc.boolean(), (words, gaps, ends, lower) => {
      const plain = words.map((one) => one.join(' ')).join('\n');
      const laidOut = words
        .map(([keyword, ...rest]) => {
          let text = lower ? keyword!.toLowerCase() : keyword!;
          for (const one of rest) {
            const space = gaps.next().value!;
            // A break must have a space on one side.
            text += (/^\\\n\S/.test(space) ? ' ' : '') + space + one;
          }
          return text + ends.next().value!;
        })
        .join('');
      expect(lines(laidOut)).toEqual(lines(plain));
    }),
    { numRuns: 500 },
  );
});

test("an instruction's text reads as the same instruction again", () => {
  const flag = fc.constantFrom(
    '--from="a b"',
    '--chown=\\"x',
    "--x='y z'",
    '--link',
    '--exclude=*.md',
    '--mount=type=bind,target=/t',
  );
  const tail = fc.oneof(
    soup,
    fc.json({ maxDepth: 1 }),
    fc.array(fc.string()).map((words) => JSON.stringify(words)),
  );
  const keyword = fc.constantFrom(
    'RUN',
    'COPY',
    'ADD',
    'CMD',
    'ENV',
    'VOLUME',
    'HEALTHCHECK CMD',
    'ONBUILD RUN',
    'WORKDIR',
  );
  fc.assert(
    fc.property(keyword, fc.array(flag, { maxLength: 3 }), tail, (name, flags, rest) => {
      const source = [name, ...flags, rest.replace(/[\n\r]|<</g, ' ').replace(/[\\`\s]+$/, '')].join(' ');
      const text = (from: string) => {
        const { instructions } = parseDockerfile(from, 'Dockerfile');
        return instructionText(instructions[0]!, ({ value }) => value);
      };
      let once: string;
      try {
        once = text(source);
      } catch (error) {
        if (error instanceof Failure) return;
        throw error;
      }
      expect(text(once)).toBe(once);
    }),
    { numRuns: 2000 },
  );
});
