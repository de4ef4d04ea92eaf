import { posix } from 'node:path';
import type { SourceLocation } from '../failure.ts';
import { TokenCursor, type SymbolTable } from './cursor.ts';
import { constant, yes } from './expression.ts';
import { readHelp } from './help.ts';
import { LineReader, wrong, type Problem } from './lines.ts';
import { readProperty } from './properties.ts';
import { folderOf, type ReadSource } from './sources.ts';
import { tokenise, type Token } from './tokens.ts';
import type { Choice, MenuNode, OptionSymbol } from './tree.ts';

/** The tree as it is written: conditions not yet handed down, `if` still in it. */
export interface ParsedKconfig {
  root: MenuNode;
  title: string;
  symbols: Map<string, OptionSymbol>;
  defined: Set<OptionSymbol>;
  choices: Set<Choice>;
  problems: Problem[];
}

type EndKeyword = 'endmenu' | 'endchoice' | 'endif';

const opened: Record<EndKeyword, string> = { endmenu: 'menu', endchoice: 'choice', endif: 'if' };
/** Far above what trees have; a tree that needs more sources itself over and over. */
const mostFiles = 5000;
const mostBytes = 64 << 20;
const deepest = 100;

/** Reads Kconfig text into a tree. `read` gives the files; sources are relative to the first file's folder. */
export function parseKconfig(file: string, read: ReadSource): ParsedKconfig {
  return new Parser(file, read).parse();
}

class Parser implements SymbolTable {
  readonly #file: string;
  readonly #read: ReadSource;
  readonly #symbols = new Map<string, OptionSymbol>();
  readonly #defined = new Set<OptionSymbol>();
  readonly #choices = new Set<Choice>();
  readonly #namedChoices = new Map<string, Choice>();
  readonly #problems: Problem[] = [];
  /** Files that are being read: a source of one of them never ends. */
  readonly #open: string[] = [];
  #title = 'Main menu';
  #files = 0;
  #bytes = 0;
  #depth = 0;
  #reader: LineReader;
  /** A statement that ended the one before it. */
  #pending: TokenCursor | undefined;

  constructor(file: string, read: ReadSource) {
    this.#file = file;
    this.#read = read;
    this.#reader = new LineReader(file, '');
  }

  parse(): ParsedKconfig {
    const at = { file: this.#file, line: 1, column: 1, length: 1, text: '' };
    const root = newNode('menu', at);
    this.#readFile(this.#file, this.#file, at, root);
    return {
      root,
      title: this.#title,
      symbols: this.#symbols,
      defined: this.#defined,
      choices: this.#choices,
      problems: this.#problems,
    };
  }

  named(name: string, cursor: TokenCursor, token: Token): OptionSymbol {
    const known = this.#symbols.get(name);
    if (known) return known;
    const symbol = { ...constant(name), isConstant: false, named: cursor.locate(token) };
    this.#symbols.set(name, symbol);
    return symbol;
  }

  constant(text: string): OptionSymbol {
    return constant(text);
  }

  #readFile(path: string, written: string, at: SourceLocation, parent: MenuNode): void {
    const source = this.#read(path);
    if (source.kind === 'missing') throw wrong(at, `there is no file ${written}`, sourceFix);
    if (source.kind === 'outside') {
      throw wrong(at, `${written} is outside the repository`, 'put what is needed into the repository');
    }
    if (source.kind === 'unreadable') throw wrong(at, `${written} cannot be read: ${source.because}`, sourceFix);
    if (this.#open.includes(source.path)) {
      const circle = [...this.#open.slice(this.#open.indexOf(source.path)), source.path];
      throw wrong(at, `${circle.join(' sources ')}: that never ends`, 'take one of these source lines away');
    }
    this.#files += 1;
    this.#bytes += source.text.length;
    if (this.#files > mostFiles || this.#bytes > mostBytes) {
      throw wrong(at, `more than ${mostFiles} files or ${mostBytes >> 20} MB are sourced`, 'source each file once');
    }
    const outer = this.#reader;
    this.#open.push(source.path);
    this.#reader = new LineReader(source.path, source.text);
    this.#readBlock(parent, undefined);
    this.#open.pop();
    this.#reader = outer;
  }

  #next(): TokenCursor | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending) return pending;
    for (;;) {
      const line = this.#reader.nextLine();
      if (line === undefined) return undefined;
      const tokens = tokenise(line);
      if (tokens) return new TokenCursor(tokens, this);
    }
  }

  /** Until the end of the file, or `end`, which `opener` asks for. */
  #readBlock(parent: MenuNode, end: EndKeyword | undefined, opener?: TokenCursor): void {
    this.#depth += 1;
    if (this.#depth > deepest) {
      const at = opener?.locate() ?? parent.at;
      throw wrong(at, `more than ${deepest} menus, ifs and sources are inside each other`, 'take some apart');
    }
    for (let cursor = this.#next(); cursor; cursor = this.#next()) {
      if (cursor.keyword === end) {
        cursor.end();
        this.#depth -= 1;
        return;
      }
      this.#readStatement(cursor, parent);
    }
    this.#depth -= 1;
    if (end === undefined) return;
    throw wrong(opener!.locate(), `this ${opened[end]} has no ${end} in ${this.#reader.file}`, `write ${end} after it`);
  }

  #readStatement(cursor: TokenCursor, parent: MenuNode): void {
    switch (cursor.keyword) {
      case 'config':
      case 'menuconfig':
        return this.#readConfig(cursor, parent);
      case 'choice':
        return this.#readChoice(cursor, parent);
      case 'menu': {
        const { text } = cursor.text("the menu's title");
        cursor.end();
        const node = this.#add(newNode('menu', cursor.locate()), parent);
        node.prompt = { text, condition: yes };
        this.#readProperties(node);
        return this.#readBlock(node, 'endmenu', cursor);
      }
      case 'comment': {
        const { text } = cursor.text('the comment');
        cursor.end();
        const node = this.#add(newNode('comment', cursor.locate()), parent);
        node.prompt = { text, condition: yes };
        return this.#readProperties(node);
      }
      case 'if': {
        const node = this.#add(newNode('if', cursor.locate()), parent);
        node.dependency = cursor.expression('condition');
        cursor.end();
        return this.#readBlock(node, 'endif', cursor);
      }
      case 'mainmenu': {
        const { text } = cursor.text('the title');
        cursor.end();
        this.#title = text;
        return;
      }
      case 'source':
      case 'rsource':
      case 'osource':
      case 'orsource':
        return this.#readSource(cursor, parent);
      case 'endmenu':
      case 'endchoice':
      case 'endif': {
        const start = opened[cursor.keyword];
        throw cursor.fail(`there is no ${start} for this ${cursor.keyword} to end`, `write ${start} before it`);
      }
      default:
        throw cursor.fail(
          `${cursor.keyword} belongs to a config, and none stands before it`,
          'write it below config NAME',
        );
    }
  }

  #readConfig(cursor: TokenCursor, parent: MenuNode): void {
    const { name, token } = cursor.definedName(cursor.keyword);
    cursor.end();
    const symbol = this.named(name, cursor, token);
    this.#defined.add(symbol);
    const node = this.#add(newNode(symbol, cursor.locate(token)), parent);
    node.isPage = cursor.keyword === 'menuconfig';
    symbol.nodes.push(node);
    this.#readProperties(node);
  }

  #readChoice(cursor: TokenCursor, parent: MenuNode): void {
    const name = cursor.atEnd ? undefined : cursor.text('the name').text;
    cursor.end();
    const known = name === undefined ? undefined : this.#namedChoices.get(name);
    const choice: Choice = known ?? {
      kind: 'choice',
      type: 'unknown',
      isOptional: false,
      nodes: [],
      symbols: [],
      defaults: [],
      ...(name === undefined ? {} : { name }),
    };
    if (name !== undefined) this.#namedChoices.set(name, choice);
    this.#choices.add(choice);
    const node = this.#add(newNode(choice, cursor.locate()), parent);
    choice.nodes.push(node);
    this.#readProperties(node);
    this.#readBlock(node, 'endchoice', cursor);
  }

  #readSource(cursor: TokenCursor, parent: MenuNode): void {
    const { text, token } = cursor.text('the path');
    cursor.end();
    const at = cursor.locate(token);
    if (/[*?[]/.test(text)) throw wrong(at, 'patterns are not read', 'write one source for each file');
    const relative = cursor.keyword === 'rsource' || cursor.keyword === 'orsource';
    const folder = folderOf(relative ? this.#reader.file : this.#file);
    const path = posix.isAbsolute(text) ? text : posix.join(folder, text);
    const optional = cursor.keyword === 'osource' || cursor.keyword === 'orsource';
    if (optional && this.#read(path).kind === 'missing') return;
    this.#readFile(path, path, at, parent);
  }

  #add(node: MenuNode, parent: MenuNode): MenuNode {
    node.parent = parent;
    parent.children.push(node);
    return node;
  }

  #readProperties(node: MenuNode): void {
    for (let cursor = this.#next(); cursor; cursor = this.#next()) {
      if (cursor.keyword === 'help' && typeof node.item !== 'string') {
        cursor.end();
        if (node.help !== undefined) this.#warn(cursor, 'this is the second help text here; only this one counts');
        node.help = readHelp(this.#reader);
        if (node.help === '') this.#warn(cursor, 'the help text is empty', 'indent it deeper than help');
      } else if (!readProperty(cursor, node, (because, fix) => this.#warn(cursor, because, fix))) {
        this.#pending = cursor;
        break;
      }
    }
    if (node.isPage && typeof node.item !== 'string' && node.item.kind === 'symbol' && !node.prompt) {
      const because = `menuconfig ${node.item.name} has no prompt, so it cannot be entered`;
      this.#problems.push({ because, fix: 'write one after its type: bool "…"', at: node.at });
    }
  }

  #warn(cursor: TokenCursor, because: string, fix?: string): void {
    this.#problems.push({ because, at: cursor.locate(), ...(fix === undefined ? {} : { fix }) });
  }
}

const sourceFix = 'write a path relative to the folder of the first Kconfig file; rsource: relative to this file';

function newNode(item: MenuNode['item'], at: SourceLocation): MenuNode {
  return {
    item,
    isPage: item === 'menu' || (typeof item !== 'string' && item.kind === 'choice'),
    dependency: yes,
    visibleIf: yes,
    defaults: [],
    ranges: [],
    selects: [],
    implies: [],
    children: [],
    at,
  };
}
