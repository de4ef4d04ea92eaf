import { describe, expect, test } from 'vitest';
import { configuredText, valuesOf } from './reading.ts';

/** The menu of CCAI's build, as its repository has it. */
const ccai = `mainmenu "CCAI configuration"
menu "CCAI service framework backend"
config OPENVINO
bool "OpenVINO"
default y
config TENSORFLOW
bool "Tensorflow"
default n
endmenu
menu "Service"
menuconfig RESTFUL_SERVICE
bool "RESTful service"
default y
if RESTFUL_SERVICE
config RESTFUL_SAMPLE
bool "sample"
default y
endif
endmenu
`;

describe('values', () => {
  test.each<[string, string, string, Record<string, string>]>([
    ['a default', 'config A\n bool "a"\n default y\n', '', { A: 'y' }],
    [
      'the first default whose condition holds',
      'config A\n int "a"\n default 1 if n\n default 2\n default 3\n',
      '',
      { A: '2' },
    ],
    ['what the user sets wins', 'config A\n bool "a"\n default y\n', '# CONFIG_A is not set\n', { A: 'n' }],
    ['nobody sets what has no prompt', 'config A\n bool\n default y\n', 'CONFIG_A=n\n', { A: 'y' }],
    [
      'nor what is hidden',
      'config A\n bool "a"\nconfig B\n string "b"\n depends on A\n default "x"\n',
      'CONFIG_B="mine"\n',
      { A: 'n', B: '' },
    ],
    [
      'a hidden prompt leaves the default',
      'config A\n bool "a"\nconfig B\n string "b" if A\n default "x"\n',
      'CONFIG_B="mine"\n',
      { A: 'n', B: 'x' },
    ],
    [
      'select wins over the user',
      'config A\n bool "a"\n select B\nconfig B\n bool "b"\n',
      'CONFIG_A=y\n# CONFIG_B is not set\n',
      { A: 'y', B: 'y' },
    ],
    [
      'imply does not',
      'config A\n bool "a"\n imply B\nconfig B\n bool "b"\n',
      'CONFIG_A=y\n# CONFIG_B is not set\n',
      { A: 'y', B: 'n' },
    ],
    ['imply is a default', 'config A\n bool "a"\n imply B\nconfig B\n bool "b"\n', 'CONFIG_A=y\n', { A: 'y', B: 'y' }],
    [
      'imply minds what the option depends on, select does not',
      'config A\n bool "a"\n imply B\n select C\nconfig B\n bool "b"\n depends on n\nconfig C\n bool "c"\n depends on n\n',
      'CONFIG_A=y\n',
      { A: 'y', B: 'n', C: 'y' },
    ],
    ['a range pulls a default to its end', 'config A\n int "a"\n range 1 10\n default 40\n', '', { A: '10' }],
    ['a range makes a value where there is none', 'config A\n hex "a"\n range 0x10 0x20\n', '', { A: '0x10' }],
    [
      'what is out of range does not count',
      'config A\n int "a"\n range 1 10\n default 4\n',
      'CONFIG_A=11\n',
      { A: '4' },
    ],
    ['numbers stay as they are written', 'config A\n hex "a"\n', 'CONFIG_A=0X0F\n', { A: '0X0F' }],
    [
      'comparisons are by number',
      'config N\n int "n"\n default 9\nconfig A\n def_bool N < 10\n',
      '',
      { N: '9', A: 'y' },
    ],
    [
      'and of texts by letter',
      'config T\n string "t"\n default "b"\nconfig A\n def_bool T > "a"\n',
      '',
      { T: 'b', A: 'y' },
    ],
    ['m counts as y in a bool', 'config A\n bool "a"\n default m\n', '', { A: 'y' }],
    [
      'visible if hides prompts alone',
      'menu "m"\n visible if n\nconfig A\n bool "a"\n default y\nendmenu\n',
      'CONFIG_A=n\n',
      { A: 'y' },
    ],
  ])('%s', (_, kconfig, config, values) => expect(valuesOf(kconfig, config)).toEqual(values));

  const choice = 'choice\n prompt "c"\n default B\nconfig A\n bool "a"\nconfig B\n bool "b"\nendchoice\n';
  test('a choice has its default, or its first, or what was set last', () => {
    expect(valuesOf(choice)).toEqual({ A: 'n', B: 'y' });
    expect(valuesOf(choice.replace(' default B\n', ''))).toEqual({ A: 'y', B: 'n' });
    expect(valuesOf(choice, 'CONFIG_A=y\n')).toEqual({ A: 'y', B: 'n' });
    expect(valuesOf(choice, 'CONFIG_A=y\nCONFIG_B=y\n')).toEqual({ A: 'n', B: 'y' });
    expect(valuesOf(choice, '# CONFIG_B is not set\n')).toEqual({ A: 'n', B: 'y' });
  });

  test('an optional choice may have none', () => {
    const optional = choice.replace(' default', ' optional\n default');
    expect(valuesOf(optional)).toEqual({ A: 'n', B: 'n' });
    expect(valuesOf(optional, 'CONFIG_A=y\n')).toEqual({ A: 'y', B: 'n' });
  });

  test('a choice inside itself is a circle', () => {
    const inside = 'choice C\n prompt "c"\nchoice C\n prompt "d"\nconfig A\n bool "a"\nendchoice\nendchoice\n';
    expect(() => valuesOf(inside)).toThrow('circle: choice C hangs on choice C');
  });

  test('a long chain is decided, from either end', () => {
    const config = (index: number, other: number) => `config A${index}\n bool\n default A${other} || B\n`;
    const up = Array.from({ length: 3000 }, (_, index) => config(index + 1, index));
    const down = Array.from({ length: 3000 }, (_, index) => config(index, index + 1));
    expect(valuesOf(`config A0\n def_bool y\n${up.join('')}`)['A3000']).toBe('y');
    expect(valuesOf(`${down.join('')}config A3000\n def_bool y\n`)['A0']).toBe('y');
  });
});

describe('.config', () => {
  test('is as menuconfig writes it', () => {
    expect(configuredText(ccai, 'CONFIG_TENSORFLOW=y\n# CONFIG_RESTFUL_SERVICE is not set\n')).toBe(`
#
# CCAI service framework backend
#
CONFIG_OPENVINO=y
CONFIG_TENSORFLOW=y
# end of CCAI service framework backend

#
# Service
#
# CONFIG_RESTFUL_SERVICE is not set
# end of Service
`);
  });

  test('texts are escaped, and read as they were', () => {
    const kconfig = 'config A\n string "a"\n default "say \\"hi\\" \\\\o/"\n';
    const text = configuredText(kconfig);
    expect(text).toBe('CONFIG_A="say \\"hi\\" \\\\o/"\n');
    expect(valuesOf(kconfig.replace(/ default.*/, ''), text)).toEqual({ A: 'say "hi" \\o/' });
  });
});
