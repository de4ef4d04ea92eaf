import fc from 'fast-check';
import { expect, test } from 'vitest';
import { commandsOf } from '../../src/dockerfile/shell.ts';

const options = {
  variables: new Map([['A', 'a']]),
  doubtful: new Set<string>(),
  open: false,
  machine: 'x86_64',
  architecture: 'amd64',
};

const pieces =
  'if |then |elif |else |fi|case | in |esac|for |do |done|while |[ | ]| = |$A|${A|}|:-|$(|(|)|`|"|\'|\\|;|;;|&&|#|<<|>|A=|{ |*|\n| |wget |x';
const piece = fc.constantFrom('|', '||', 'http://172.17.0.1:3000/', ...pieces.split('|'));

test('any text is read to its end, in bounded time and size', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 3 })), { maxLength: 60 }), (found) => {
      const commands = commandsOf(found.join(''), options);
      for (const { words } of commands) for (const { values } of words) expect(values.length).toBeLessThanOrEqual(64);
    }),
    { numRuns: 2000 },
  );
});

test('a text that is built to be slow is not', () => {
  const nested = `${'${B:-'.repeat(2000)}x${'}'.repeat(2000)}`;
  const begun = performance.now();
  commandsOf(`wget ${nested}`, options);
  commandsOf(`wget ${'$('.repeat(20_000)}`, options);
  commandsOf(
    Array.from({ length: 200 }, (_, index) => `for i in a b c d; do X$i=$X${index}; done`).join('; '),
    options,
  );
  expect(performance.now() - begun).toBeLessThan(10_000);
});
