import { describe, expect, test } from 'vitest';
import { readConfig } from '../../src/kconfig/dot-config.ts';
import { configuredText, kconfigOf, minimalConfig, placeOf, underlined, valuesOf } from './reading.ts';

const kconfig = `config OPENVINO
	bool "OpenVINO"
	default y
config WORKERS
	int "Workers"
	default 4
config GREETING
	string "Greeting"
`;

test('what Kconfig does not have is kept as it is, once, and told', () => {
  const config = 'CONFIG_GRPC="a \\"b\\""\nCONFIG_OPENVIN=y\n# CONFIG_OLD is not set\nCONFIG_OPENVIN=n\n';
  const { unknown, problems } = readConfig(config, '.config', kconfigOf(kconfig));
  expect(unknown.map(({ name, value }) => [name, value])).toEqual([
    ['GRPC', 'a "b"'],
    ['OLD', 'n'],
    ['OPENVIN', 'n'],
  ]);
  expect(problems[1]).toMatchObject({
    because: 'Kconfig has no option OPENVIN; the line is kept',
    fix: 'did you mean OPENVINO?',
  });
  const written = configuredText(kconfig, config);
  expect(written).toBe(`CONFIG_OPENVINO=y
CONFIG_WORKERS=4
CONFIG_GREETING=""

#
# Not in Kconfig
#
CONFIG_GRPC="a \\"b\\""
# CONFIG_OLD is not set
CONFIG_OPENVIN=n
`);
  expect(configuredText(kconfig, written)).toBe(written);
});

test('what is no value is told at its place, and the default counts', () => {
  const config =
    'CONFIG_OPENVINO=maybe\nCONFIG_WORKERS=four\nCONFIG_GREETING=hello\nWORKERS=1\n# CONFIG_WORKERS is not set\n';
  const { problems } = readConfig(config, 'conf/.config', kconfigOf(kconfig));
  expect(problems.map(({ at, because, fix }) => [placeOf(at), underlined(at), because, fix])).toEqual([
    ['conf/.config:1:17', 'maybe', 'maybe is no value of OPENVINO', 'write CONFIG_OPENVINO=y'],
    ['conf/.config:2:16', 'four', 'four is no value of WORKERS', 'write CONFIG_WORKERS=4'],
    ['conf/.config:3:17', 'hello', 'hello is no value of GREETING', 'write CONFIG_GREETING="text"'],
    ['conf/.config:4:1', 'WORKERS=1', 'this is no line of a .config', 'write CONFIG_NAME=y'],
  ]);
  expect(valuesOf(kconfig, config)).toEqual({ OPENVINO: 'y', WORKERS: '4', GREETING: '' });
});

test('a number out of range is told, with what counts instead', () => {
  const tree = 'config A\n\tint "a"\n\trange 1 10\n\tdefault 4\n';
  const { problems } = readConfig('CONFIG_A=11\n', '.config', kconfigOf(tree));
  expect(problems.map(({ at, because }) => [placeOf(at), underlined(at), because])).toEqual([
    ['.config:1:10', '11', '11 is not between 1 and 10: A is 4'],
  ]);
});

describe('savedefconfig', () => {
  test('holds what is not so by default, and gives the whole again', () => {
    const config = '# CONFIG_OPENVINO is not set\nCONFIG_WORKERS=4\nCONFIG_GREETING="hi"\n';
    expect(minimalConfig(kconfig, config)).toBe('# CONFIG_OPENVINO is not set\nCONFIG_GREETING="hi"\n');
    expect(configuredText(kconfig, minimalConfig(kconfig, config))).toBe(configuredText(kconfig, config));
  });

  test('leaves out what is selected and what a choice comes to by itself', () => {
    const tree = `config A
	bool "a"
	select B
config B
	bool "b"
choice
	prompt "c"
config ONE
	bool "1"
config TWO
	bool "2"
endchoice
`;
    expect(minimalConfig(tree, 'CONFIG_A=y\nCONFIG_ONE=y\n')).toBe('CONFIG_A=y\n');
    expect(minimalConfig(tree, 'CONFIG_TWO=y\n')).toBe('CONFIG_TWO=y\n');
  });
});
