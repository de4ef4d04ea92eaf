import { describe, expect, test } from 'vitest';
import { expressionText } from '../../src/kconfig/expression.ts';
import { kconfigOf, placeOf, refusal, underlined } from './reading.ts';

describe('what is read', () => {
  test('every statement and property, with its place', () => {
    const kconfig = kconfigOf(`mainmenu "All of it"
comment "first"
menu "Backend"
	visible if y
config A
	bool "an option" if B
	default y if B
	select C if !B
	imply D
	help
	  Two
	    lines.

	  And more.
menuconfig B
	bool
	prompt "by prompt"
config C
	def_bool n
config D
	bool "d"
config N
	int "number" \\
	  if A
	range 1 10 if A
	default 4
config H
	hex
	default 0x1F
config T
	string "text"
	default 'single "quoted"'
endmenu
if A && (B || C) && N >= 4 && T != "x"
choice
	prompt "one of"
	default TWO
	optional
config ONE
	bool "one"
config TWO
	bool "two"
endchoice
endif
`);
    expect(kconfig.title).toBe('All of it');
    expect(kconfig.problems).toEqual([]);
    expect(kconfig.defined.map(({ name, type }) => `${name} ${type}`)).toEqual([
      'A bool',
      'B bool',
      'C bool',
      'D bool',
      'N int',
      'H hex',
      'T string',
      'ONE bool',
      'TWO bool',
    ]);
    const symbol = (name: string) => kconfig.symbols.get(name)!;
    expect(symbol('A').nodes[0]!.help).toBe('Two\n  lines.\n\nAnd more.');
    expect(placeOf(symbol('N').nodes[0]!.at)).toBe('Kconfig:22:8');
    expect(symbol('N').nodes[0]!.prompt!.text).toBe('number');
    expect(expressionText(symbol('A').selects[0]!.condition)).toBe('!B');
    expect(expressionText(symbol('C').reverse!)).toBe('A && !B');
    expect(expressionText(symbol('T').defaults[0]!.value)).toBe('"single \\"quoted\\""');
    const { condition } = symbol('ONE').nodes[0]!.prompt!;
    expect(expressionText(condition)).toBe('<choice>');
    expect(kconfig.choices[0]).toMatchObject({ isOptional: true, type: 'bool' });
    expect(expressionText(kconfig.choices[0]!.nodes[0]!.dependency)).toBe('A && (B || C) && N >= 4 && T != "x"');
  });

  test('sources are relative to the folder of the first file, rsource to its own; osource may be missing', () => {
    const kconfig = kconfigOf('source "sub/Kconfig"\nosource "none"\nconfig LAST\n\tbool\n', {
      'sub/Kconfig': 'rsource "deeper/Kconfig"\norsource "none"\nconfig MIDDLE\n\tbool\n',
      'sub/deeper/Kconfig': 'config FIRST\n\tbool\n\thelp\n\t  at the end of the file',
    });
    expect(kconfig.defined.map(({ name }) => name)).toEqual(['FIRST', 'MIDDLE', 'LAST']);
    expect(placeOf(kconfig.defined[0]!.nodes[0]!.at)).toBe('sub/deeper/Kconfig:1:8');
    expect(kconfig.defined[0]!.nodes[0]!.help).toBe('at the end of the file');
  });

  test('what hangs on the option before it stands below it', () => {
    const { root } = kconfigOf(
      'config A\n\tbool "a"\nconfig B\n\tbool "b"\n\tdepends on A\nconfig C\n\tbool "c" if A = y\nconfig D\n\tbool "d"\n',
    );
    const names = root.children.map(({ item, children }) => [item, children.map((child) => child.item)]);
    expect(JSON.stringify(names, (_, value) => (value?.kind === 'symbol' ? value.name : value))).toBe(
      '[["A",["B","C"]],["D",[]]]',
    );
  });

  test('lines end as on any system', () => {
    expect(kconfigOf('config A\r\n\tbool "a"\r\nconfig B\r\tbool').defined).toHaveLength(2);
  });
});

describe('what is wrong is told at its place', () => {
  test.each<[string, string, string, string, RegExp]>([
    ['a mistyped statement', 'confg A\n', 'Kconfig:1:1', 'confg', /no statement/],
    ['a name that is missing', 'config\n\tbool\n', 'Kconfig:1:7', '', /name of the config is missing/],
    ['a value as a name', 'config y\n', 'Kconfig:1:8', 'y', /is a value/],
    ['too much in a line', 'config A B\n', 'Kconfig:1:10', 'B', /too much/],
    ['a text that does not end', 'config A\n\tbool "a\n', 'Kconfig:2:7', '"a', /does not end/],
    ['a parenthesis that is not closed', 'config A\n\tbool\n\tdepends on (B\n', 'Kconfig:3:15', '', /not closed/],
    ['an operator too many', 'config A\n\tdepends on B && && C\n', 'Kconfig:2:18', '&&', /needed here/],
    ['one & alone', 'config A\n\tdepends on B & C\n', 'Kconfig:2:15', '&', /means nothing/],
    ['tristate', 'config A\n\ttristate "a"\n', 'Kconfig:2:2', 'tristate', /not supported/],
    ['def_tristate', 'config A\n\tdef_tristate m\n', 'Kconfig:2:2', 'def_tristate', /not supported/],
    ['an option line', 'config A\n\toption env="HOME"\n', 'Kconfig:2:2', 'option', /not supported/],
    ['a macro', 'config A\n\tstring\n\tdefault "$(shell,date)"\n', 'Kconfig:3:10', '"$(shell,date)"', /environment/],
    ['a variable of the environment', 'config A\n\tstring "$HOME"\n', 'Kconfig:2:9', '"$HOME"', /environment/],
    ['a variable', 'NAME := value\n', 'Kconfig:1:1', 'NAME', /macros and variables/],
    ['a property that nothing stands before', '\tbool "a"\n', 'Kconfig:1:2', 'bool', /none stands before/],
    ['a select in a choice', 'choice\n\tselect A\nendchoice\n', 'Kconfig:2:2', 'select', /no meaning in a choice/],
    ['a select of a constant', 'config A\n\tselect y\n', 'Kconfig:2:9', 'y', /name of an option/],
    ['an end without a beginning', 'endmenu\n', 'Kconfig:1:1', 'endmenu', /no menu for this/],
    ['the wrong end', 'if A\nmenu "m"\nendif\n', 'Kconfig:3:1', 'endif', /no if for this/],
    ['a menu that does not end', 'menu "m"\nconfig A\n\tbool\n', 'Kconfig:1:1', 'menu', /has no endmenu/],
    ['depends without on', 'config A\n\tdepends B\n', 'Kconfig:2:10', 'B', /on is missing/],
    ['a default that is no value', 'config A\n\tint\n\tdefault B && C\n', 'Kconfig:1:8', 'A', /is no int/],
    ['a pattern of files', 'source "*.kconfig"\n', 'Kconfig:1:8', '"*.kconfig"', /patterns/],
    ['a file that is not there', 'source "none"\n', 'Kconfig:1:8', '"none"', /no file none/],
    ['a continued line', 'config A\n\tdepends on \\\n\t  B &&\n', 'Kconfig:3:8', '', /needed here/],
    ['an option that hangs on itself', 'config A\n\tbool "a"\n\tdepends on A\n', 'Kconfig:1:8', 'A', /hangs on itself/],
    ['a circle', 'config A\n\tbool "a" if B\nconfig B\n\tbool\n\tdefault A\n', 'Kconfig:1:8', 'A', /circle: config A/],
  ])('%s', (_, text, place, marked, because) => {
    const [at, caret, why] = refusal(text);
    expect([at, caret]).toEqual([place, marked]);
    expect(why).toMatch(because);
  });

  test('a file that sources itself, over others', () => {
    const [at, caret, why] = refusal('source "a"\n', { a: '\nsource "b"\n', b: 'source "Kconfig"\n' });
    expect([at, caret]).toEqual(['b:1:8', '"Kconfig"']);
    expect(why).toBe('Kconfig sources a sources b sources Kconfig: that never ends');
  });

  test('files that source each other twice come to an end', () => {
    const files = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`f${index}`, `source "f${index + 1}"\n`.repeat(2)]),
    );
    expect(refusal('source "f0"\n', { ...files, f40: '' })[2]).toMatch(/5000 files/);
  });

  test('what is nested too deep', () => {
    expect(refusal(`config A\n\tdepends on ${'('.repeat(5000)}`)[2]).toMatch(/more than 100/);
    expect(refusal(`config A\n\tdepends on ${'!'.repeat(5000)}A`)[2]).toMatch(/more than 100/);
    expect(refusal('menu "m"\n'.repeat(5000))[2]).toMatch(/more than 100/);
    const chain = Array.from(
      { length: 3000 },
      (_, index) => `config A${index + 1}\n\tbool "a"\n\tdepends on A${index}\n`,
    );
    expect(refusal(`config A0\n\tbool "a"\n${chain.join('')}`)[2]).toMatch(/more than 500/);
  });
});

test('what is odd is told and read', () => {
  const { problems } = kconfigOf(`config OPENVINO
	bool "a"
	depends on TENSORFLW || 12 || 0x1f
	select TEXT
config TENSORFLOW
	bool "t"
config TEXT
	string "b"
	default "x"
config UNTYPED
config NUMBER
	int "n"
	range 1 many
`);
  expect(problems.map(({ at, because, fix }) => [placeOf(at), underlined(at), because, fix])).toEqual([
    ['Kconfig:1:8', 'OPENVINO', 'OPENVINO selects or implies TEXT, which is a string', 'only a bool can be selected'],
    ['Kconfig:10:8', 'UNTYPED', 'UNTYPED has no type, so it has no value', 'write bool, string, int or hex below it'],
    ['Kconfig:11:8', 'NUMBER', 'many in the range of NUMBER is no int', 'write a number'],
    ['Kconfig:3:13', 'TENSORFLW', 'nothing defines TENSORFLW, so it is always n', 'did you mean TENSORFLOW?'],
    [
      'Kconfig:13:10',
      'many',
      'nothing defines many, so it is always n',
      'define it, or write "many" where the text itself is meant',
    ],
  ]);
});
