import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KeyReader, type Key } from '../../src/kconfig/menu/keys.ts';
import { Menu } from '../../src/kconfig/menu/menu.ts';
import type { Outcome } from '../../src/kconfig/menu/mode.ts';
import { view, type Size } from '../../src/kconfig/menu/view.ts';
import { cut, fit, widthOf, wrap } from '../../src/kconfig/menu/width.ts';
import { randomFrom } from '../agreement/random.ts';
import { sourcesOf } from './compare.ts';
import { randomKconfig } from './generate.ts';
import { readKconfig } from '../../src/kconfig/read.ts';
import { tree } from './project.ts';
import { configured, kconfigOf } from './reading.ts';

const layers = new Map([['TENSORFLOW', ['engine']]]);

function menuOf(kconfig = tree['config/Kconfig']!, config = '', isSaved = () => false): Menu {
  return new Menu(configured(kconfigOf(kconfig), config), layers, isSaved);
}

const named = new Set(['up', 'down', 'left', 'right', 'enter', 'escape', 'backspace', 'home', 'end', 'page-down']);
/** Presses keys: names between blanks, anything else as it is typed. The last outcome. */
function press(menu: Menu, keys: string): Outcome {
  let outcome: Outcome = 'stay';
  for (const word of keys.split(' ')) {
    const typed: Key[] = named.has(word)
      ? [{ name: word } as Key]
      : [...word.replaceAll('space', ' ')].map((text) => ({ name: 'text', text }));
    for (const key of typed) outcome = menu.press(key);
  }
  return outcome;
}

/** What stands on the screen; the marked row begins with `>`. */
function screen(menu: Menu, size: Size = { columns: 100, rows: 16 }): string[] {
  return view(menu, size, '.config')
    .map(({ text, look }) => (look === 'marked' ? `>${text.slice(1)}` : text).trimEnd())
    .filter((text) => text !== '');
}

const value = (menu: Menu, name: string) =>
  menu.configuration.value(menu.configuration.kconfig.symbols.get(name)!).text;

describe('the menu', () => {
  test('shows menus, values and choices', () => {
    expect(screen(menuOf())).toEqual([
      'CCAI configuration',
      '>     Backend  --->',
      '  (4) Workers',
      '  (Hello, 世界) Greeting',
      '      Device (Processor)  --->',
      'Enter open  Space change  Esc back  ? help  / search  S save  Q leave',
    ]);
  });

  test('Enter opens, Space toggles, and what hangs on an option comes below it', () => {
    const menu = menuOf();
    press(menu, 'enter down space');
    expect(screen(menu).slice(0, -1)).toEqual([
      'CCAI configuration > Backend',
      '  [*] OpenVINO',
      '> [*] Tensorflow',
      '  [ ]   Fast kernels',
    ]);
    press(menu, 'down y up n');
    expect([value(menu, 'TENSORFLOW'), value(menu, 'FAST')]).toEqual(['n', 'n']);
    press(menu, 'left');
    expect(screen(menu)[0]).toBe('CCAI configuration');
  });

  test('numbers and texts are typed, and only what may be is taken', () => {
    const menu = menuOf();
    press(menu, 'down enter 00 enter');
    expect(screen(menu).slice(-3)).toEqual([
      '400 is not between 1 and 64',
      'Workers (1 to 64): 400',
      'Enter take it  Esc leave it',
    ]);
    press(menu, 'backspace left left 1 enter');
    expect([value(menu, 'WORKERS'), menu.mode.kind]).toEqual(['4', 'edit']);
    press(menu, 'escape enter backspace x enter');
    expect(screen(menu)).toContain('write a number');
    press(menu, 'backspace 16 enter down enter end ! enter');
    expect([value(menu, 'WORKERS'), value(menu, 'GREETING')]).toEqual(['16', 'Hello, 世界!']);
  });

  test('a choice is entered at what it is, and picking goes back', () => {
    const menu = menuOf(undefined, 'CONFIG_GPU=y\n');
    press(menu, 'end enter');
    expect(screen(menu).slice(1, 3)).toEqual(['  ( ) Processor', '> (X) Graphics']);
    press(menu, 'up space');
    expect(screen(menu)).toContain('>     Device (Processor)  --->');
    expect([value(menu, 'CPU'), value(menu, 'GPU')]).toEqual(['y', 'n']);
  });

  test('? tells what an option is, what it depends on and where it goes', () => {
    const menu = menuOf(undefined, 'CONFIG_TENSORFLOW=y\n');
    press(menu, 'enter ?');
    expect(screen(menu)).toContain("  Intel's inference engine.");
    press(menu, 'escape down ?');
    expect(screen(menu)).toContain('  Layers: engine');
    press(menu, 'escape down ?');
    expect(screen(menu)).toContain('  Depends on TENSORFLOW');
  });

  test('/ finds by name and prompt and goes there; what is hidden is told why', () => {
    const menu = menuOf();
    press(menu, '/tensor');
    expect(screen(menu).slice(1)).toEqual([
      '> TENSORFLOW=n  Tensorflow',
      '1 found',
      '/tensor',
      'Up Down choose  Enter go there  Esc back',
    ]);
    press(menu, 'enter');
    expect(screen(menu)).toContain('> [ ] Tensorflow');
    press(menu, '/kernels enter');
    expect(screen(menu)).toContain('FAST cannot be set: it needs TENSORFLOW');
    press(menu, '/gpu enter');
    expect(screen(menu)[0]).toBe('CCAI configuration > Device');
    press(menu, '/CONFIG_WORKERS enter');
    expect(screen(menu)).toContain('> (4) Workers');
  });

  test('leaving asks where something is not saved', () => {
    expect(
      press(
        menuOf(undefined, '', () => true),
        'q',
      ),
    ).toBe('leave');
    const menu = menuOf();
    expect(press(menu, 'escape')).toBe('stay');
    expect(screen(menu).slice(-2)).toEqual(['Save to .config?', 'Y yes (Enter)  N no  Esc back']);
    expect(press(menu, 'escape')).toBe('stay');
    expect(press(menu, 's')).toBe('save');
    expect(press(menu, 'q n')).toBe('leave');
    expect(press(menuOf(), 'q enter')).toBe('save-and-leave');
  });

  test('what is selected stays as it is, and says by whom', () => {
    const menu = menuOf('config A\n\tbool "a"\n\tselect B\nconfig B\n\tbool "b"\n', 'CONFIG_A=y\n');
    press(menu, 'down space');
    expect(screen(menu).slice(1)).toEqual([
      '  [*] a',
      '> -*- b',
      'B is selected by A',
      expect.stringMatching(/^Enter/),
    ]);
  });

  test('nothing that a file holds reaches the terminal as a command', () => {
    const menu = menuOf('mainmenu "a\u001b[2J"\nconfig A\n\tbool "b\u001b]0;c\u0007"\n\thelp\n\t  d\u009b2J\n');
    expect(screen(menu)).toContain('> [ ] b?]0;c?');
    press(menu, '?');
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    expect(screen(menu).join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });

  test('a list longer than the screen moves with the marked row', () => {
    const options = Array.from({ length: 50 }, (_, index) => `config A${index}\n\tbool "option ${index}"\n`);
    const menu = menuOf(options.join(''));
    press(menu, 'page-down page-down down');
    expect(screen(menu, { columns: 40, rows: 10 })).toEqual([
      'Main menu',
      '  [ ] option 19',
      '  [ ] option 20',
      '> [ ] option 21',
      '  [ ] option 22',
      '  [ ] option 23',
      '? help  / search  S save  Q leave',
    ]);
    press(menu, 'end');
    expect(screen(menu, { columns: 40, rows: 10 })).toContain('> [ ] option 49');
  });

  test('whatever is pressed on whatever menu, it fits on the screen', () => {
    const keys = fc.array(
      fc.oneof(
        fc.constantFrom<Key>({ name: 'up' }, { name: 'down' }, { name: 'enter' }, { name: 'escape' }, { name: 'left' }),
        fc.constantFrom(...' yn?/sqhjk019漢').map((text): Key => ({ name: 'text', text })),
      ),
      { maxLength: 40 },
    );
    const size = fc.record({ columns: fc.integer({ min: 1, max: 60 }), rows: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(fc.nat(), keys, size, (seed, pressed, room) => {
        const { files, configs } = randomKconfig(randomFrom(seed), 1);
        let menu: Menu;
        try {
          const kconfig = readKconfig('Kconfig', sourcesOf(files));
          menu = new Menu(configured(kconfig, configs[0]), layers, () => false);
          for (const symbol of kconfig.defined) menu.configuration.value(symbol);
        } catch (error) {
          expect((error as Error).message).toMatch(/circle|itself/);
          return;
        }
        for (const key of pressed) {
          menu.press(key);
          const lines = view(menu, room, '.config');
          expect(lines.length).toBeLessThanOrEqual(room.rows);
          for (const { text } of lines) expect(widthOf(text)).toBeLessThanOrEqual(Math.max(1, room.columns - 1));
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('keys', () => {
  const keysOf = (...pieces: string[]) => {
    const reader = new KeyReader();
    const keys = pieces.flatMap((piece) => reader.read(Buffer.from(piece, 'latin1')));
    return [...keys, ...reader.flush()].map((key) => (key.name === 'text' ? key.text : key.name));
  };

  test('of all terminals, in pieces of any size', () => {
    const bytes =
      '\u001b[A\u001bOB\u001b[1;5C\u001b[D\u001b[H\u001b[4~\u001b[5~\u001b[3~\r\u007f\u0003y\u001b[200~\u00c3\u00a9';
    const keys = [
      'up',
      'down',
      'right',
      'left',
      'home',
      'end',
      'page-up',
      'delete',
      'enter',
      'backspace',
      'interrupt',
      'y',
      'é',
    ];
    expect(keysOf(bytes)).toEqual(keys);
    expect(keysOf(...bytes)).toEqual(keys);
  });

  test('Escape is one when nothing follows', () => {
    expect(keysOf('\u001b')).toEqual(['escape']);
    expect(keysOf('\u001b\u001b[A')).toEqual(['escape', 'up']);
    expect(keysOf('\u001bx')).toEqual(['escape', 'x']);
  });

  test('no bytes stop it', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 12 })), (pieces) => {
        const reader = new KeyReader();
        for (const piece of pieces) reader.read(Buffer.from(piece));
        reader.flush();
        expect(reader.read(Buffer.from('q')).at(-1)).toEqual({ name: 'text', text: 'q' });
      }),
    );
  });
});

describe('widths', () => {
  test('wide characters take two columns, combining ones none', () => {
    expect([widthOf('世界'), widthOf('e\u0301'), widthOf('😀a')]).toEqual([4, 1, 3]);
    expect(cut('世界', 3)).toBe('世');
    expect(fit('世界', 5)).toBe('世界 ');
    expect(fit('世界', 3)).toBe('世 ');
  });
  test('lines break at blanks', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', 'three']);
    expect(wrap('  indented text', 10)).toEqual(['  indented', 'text']);
    expect(wrap('unbreakable', 4)).toEqual(['unbr', 'eaka', 'ble']);
    expect(wrap('世界', 1)).toEqual(['世', '界']);
  });
});
