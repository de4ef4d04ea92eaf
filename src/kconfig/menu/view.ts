import { formatNumber } from '../number.ts';
import { describe } from './describe.ts';
import type { Menu } from './menu.ts';
import type { Mode } from './mode.ts';
import { rowText, symbolOf } from './rows.ts';
import { cut, fit, harmless, widthOf, wrap } from './width.ts';

/** What a terminal shows in one row. `marked`: in reverse; `cursor`: the column that is marked. */
export interface Line {
  text: string;
  look?: 'title' | 'marked' | 'dim' | 'error';
  cursor?: number;
}

export interface Size {
  columns: number;
  rows: number;
}

const pageKeys = 'Enter open  Space change  Esc back  ? help  / search  S save  Q leave';
const fewPageKeys = '? help  / search  S save  Q leave';

/** The whole screen, at most `rows` lines of at most `columns` columns. */
export function view(menu: Menu, size: Size, file: string): Line[] {
  const { mode } = menu;
  const title = [menu.configuration.kconfig.title, ...menu.pages.slice(1).map(({ node }) => node.prompt?.text ?? '')];
  const head: Line[] = [{ text: harmless(title.join(' > ')), look: 'title' }, { text: '' }];
  const foot = footOf(menu, mode, file, size.columns);
  const room = Math.max(1, size.rows - head.length - foot.length);
  const body = bodyOf(menu, mode, { columns: size.columns, rows: room });
  const filled = [...head, ...body.slice(0, room), ...Array.from({ length: room - body.length }, () => ({ text: '' }))];
  const all = [...filled.slice(0, Math.max(1, size.rows - foot.length)), ...foot];
  return all.slice(0, size.rows).map((line) => fitted(line, size.columns));
}

function fitted(line: Line, columns: number): Line {
  // The last column stays free: some terminals wrap as soon as it is written.
  const width = Math.max(1, columns - 1);
  return { ...line, text: line.look === 'marked' ? fit(line.text, width) : cut(line.text, width) };
}

function bodyOf(menu: Menu, mode: Mode, size: Size): Line[] {
  const { configuration } = menu;
  if (mode.kind === 'help') {
    const lines = describe(configuration, mode.node, menu.layers).flatMap((line) =>
      wrap(line, size.columns - 3).map((text) => ({ text: `  ${harmless(text)}` })),
    );
    const start = Math.max(0, Math.min(mode.scroll, lines.length - size.rows));
    return lines.slice(start);
  }
  if (mode.kind === 'search') {
    const rows = mode.found.map((symbol) => {
      const prompt = symbol.nodes.find((node) => node.prompt)?.prompt?.text ?? '';
      return harmless(`  ${symbol.name}=${configuration.value(symbol).text}  ${prompt}`);
    });
    return scrolled(rows, mode.index, size.rows);
  }
  const rows = menu.rows.map((row) => `  ${rowText(configuration, row)}`);
  return rows.length === 0 ? [{ text: '  nothing to set' }] : scrolled(rows, menu.page.index, size.rows);
}

/** The part of the list that has the marked row in it, in its middle where there is more on both sides. */
function scrolled(rows: readonly string[], index: number, room: number): Line[] {
  const start = Math.max(0, Math.min(index - Math.floor(room / 2), rows.length - room));
  return rows
    .slice(start, start + room)
    .map((text, at) => (start + at === index ? { text, look: 'marked' } : { text }));
}

function footOf(menu: Menu, mode: Mode, file: string, columns: number): Line[] {
  switch (mode.kind) {
    case 'help':
      return [{ text: '' }, { text: 'Up Down scroll  any other key: back', look: 'dim' }];
    case 'edit': {
      const symbol = symbolOf(mode.node)!;
      const range = menu.configuration.range(symbol);
      const type = symbol.type === 'hex' ? 'hex' : 'int';
      const limits = range ? ` (${formatNumber(range.low, type)} to ${formatNumber(range.high, type)})` : '';
      const prompt = harmless(`${mode.node.prompt?.text ?? symbol.name}${limits}: `);
      return [{ text: mode.error, look: 'error' }, fieldLine(prompt, mode.field), keys('Enter take it  Esc leave it')];
    }
    case 'search': {
      const found = mode.field.characters.length === 0 ? '' : `${mode.found.length} found`;
      return [
        { text: found, look: 'dim' },
        fieldLine('/', mode.field),
        keys('Up Down choose  Enter go there  Esc back'),
      ];
    }
    case 'leave':
      return [{ text: '' }, { text: `Save to ${file}?`, look: 'title' }, keys('Y yes (Enter)  N no  Esc back')];
    default:
      return [
        { text: '' },
        { text: harmless(menu.message), look: 'error' },
        keys(columns > pageKeys.length ? pageKeys : fewPageKeys),
      ];
  }
}

const keys = (text: string): Line => ({ text, look: 'dim' });

function fieldLine(prompt: string, { characters, cursor }: { characters: readonly string[]; cursor: number }): Line {
  const before = prompt + characters.slice(0, cursor).map(harmless).join('');
  return { text: `${before}${characters.slice(cursor).map(harmless).join('')} `, cursor: widthOf(before) };
}
