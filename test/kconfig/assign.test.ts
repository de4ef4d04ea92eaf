import { describe, expect, test } from 'vitest';
import { Failures } from '../../src/failure.ts';
import { assign, changesBetween } from '../../src/kconfig/assign.ts';
import { tree } from './project.ts';
import { configured, kconfigOf } from './reading.ts';

const start = (config = '') => configured(kconfigOf(tree['config/Kconfig']!), config);

function refusals(...assignments: string[]): string[] {
  const before = start();
  const values = () => before.kconfig.defined.map((symbol) => before.value(symbol).text);
  const untouched = values();
  try {
    assign(before, assignments);
  } catch (error) {
    expect(values()).toEqual(untouched);
    return (error as Failures).failures.map(({ because, fix }) => `${because}: ${fix}`);
  }
  return [];
}

describe('setting options', () => {
  test('takes names with and without CONFIG_, and tells all that changes with them', () => {
    const before = start();
    expect(changesBetween(before, assign(before, ['GPU=y', 'CONFIG_WORKERS=8']))).toEqual([
      { name: 'WORKERS', from: '4', to: '8' },
      { name: 'CPU', from: 'y', to: 'n' },
      { name: 'GPU', from: 'n', to: 'y' },
      { name: 'BATCHING', from: 'n', to: 'y' },
    ]);
  });

  test('what depends on another is set with it, in any order', () => {
    expect(refusals('FAST=y', 'TENSORFLOW=y')).toEqual([]);
  });

  test('values may hold =, and be empty', () => {
    const after = assign(start(), ['GREETING=a=b']);
    expect(after.value(after.kconfig.symbols.get('GREETING')!).text).toBe('a=b');
    expect(refusals('GREETING=')).toEqual([]);
  });

  test.each([
    ['a name that is none', ['TENSORFLW=y'], ['there is no option TENSORFLW in Kconfig: did you mean TENSORFLOW?']],
    ['a value of another type', ['WORKERS=four'], ['"four" is no value of WORKERS (int): write a number, as in 4']],
    ['a bool that is no y or n', ['OPENVINO=on'], ['"on" is no value of OPENVINO (bool): write y or n']],
    ['no value', ['OPENVINO'], ['there is no value: write OPENVINO=y']],
    ['what cannot be seen', ['FAST=y'], ['FAST cannot be set while TENSORFLOW is n: set TENSORFLOW=y as well']],
    [
      'what Kconfig decides',
      ['BATCHING=y'],
      ['BATCHING has no prompt: Kconfig alone decides it: set the options that it hangs on'],
    ],
    ['what is out of range', ['WORKERS=65'], ['65 is not between 1 and 64: write a number of this range']],
    [
      'a choice that is taken away',
      ['CPU=n'],
      ['CPU is one of a choice, and the choice is CPU: set another one of them to y'],
    ],
    [
      'two of a choice',
      ['GPU=y', 'CPU=y'],
      ['GPU is one of a choice, and the choice is CPU: set only one of them to y'],
    ],
    ['several lines', ['GREETING=a\nb'], ['its value has more than one line: write one line']],
    [
      'all that is wrong, at once',
      ['NONE=y', 'WORKERS=x'],
      [
        'there is no option NONE in Kconfig: `imgbuild options list` shows those that there are',
        '"x" is no value of WORKERS (int): write a number, as in 4',
      ],
    ],
  ])('refuses %s', (_, assignments, messages) => expect(refusals(...assignments)).toEqual(messages));

  test('an optional choice can be left', () => {
    const optional = 'choice\n\tprompt "c"\n\toptional\nconfig A\n\tbool "a"\nendchoice\n';
    const after = assign(configured(kconfigOf(optional), 'CONFIG_A=y\n'), ['A=n']);
    expect(after.value(after.kconfig.symbols.get('A')!).text).toBe('n');
  });

  test('refuses to unset what is selected, and names what selects it', () => {
    const configuration = configured(
      kconfigOf('config A\n\tbool "a"\n\tselect B\nconfig B\n\tbool "b"\n'),
      'CONFIG_A=y\n',
    );
    expect(() => assign(configuration, ['B=n'])).toThrow('B is selected by A');
  });
});
