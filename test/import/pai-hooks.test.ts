import { describe, expect, test } from 'vitest';
import { guessed } from '../../src/import/pai/hooks.ts';

const own = 'pushd "$(dirname "$0")" > /dev/null';

describe('a script', () => {
  test('that does nothing but copy says what it reads and makes', () => {
    const script = `#!/bin/bash\n${own}\nset -e\nrm -rf ../copied\nmkdir -p ../copied\ncp -r ../../../docs ../copied\necho done\npopd > /dev/null\n`;
    expect(guessed('src/portal', script)).toEqual({ inputs: ['docs'], outputs: ['copied/docs'] });
  });

  test.each([
    'rm -rf out && ./gen.sh',
    'popd; curl https://example.com/x',
    'echo hi; ./gen.sh',
    'echo "$(./gen.sh)"',
    'rm -rf out > log',
    'cd $(dirname $0) && make',
    'make',
  ])('with %j is known to nobody', (line) => {
    expect(guessed('src/portal', `${own}\n${line}\ncp ../../version ..\n`)).toBeUndefined();
  });
});
