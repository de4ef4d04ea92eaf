import type { TokenCursor } from './cursor.ts';
import { and } from './expression.ts';
import { describeItem, type MenuNode, type SymbolType } from './tree.ts';

type Warn = (because: string, fix?: string) => void;

const typed: Record<string, SymbolType> = {
  bool: 'bool',
  string: 'string',
  int: 'int',
  hex: 'hex',
  def_bool: 'bool',
  def_string: 'string',
  def_int: 'int',
  def_hex: 'hex',
};

/** Reads a line below config, choice, menu or comment; false where it is the next statement. Throws a Failure. */
export function readProperty(cursor: TokenCursor, node: MenuNode, warn: Warn): boolean {
  switch (cursor.keyword) {
    case 'bool':
    case 'string':
    case 'int':
    case 'hex':
      setType(cursor, node, warn);
      if (!cursor.atEnd) readPrompt(cursor, node, warn);
      return true;
    case 'def_bool':
    case 'def_string':
    case 'def_int':
    case 'def_hex':
      setType(cursor, node, warn);
      readDefault(cursor, node);
      return true;
    case 'tristate':
    case 'def_tristate':
      throw cursor.fail(
        `${cursor.keyword} is not supported: an image has no modules to load`,
        cursor.keyword === 'tristate' ? 'write bool' : 'write def_bool',
      );
    case 'prompt':
      refuse(cursor, node, 'symbol', 'choice');
      readPrompt(cursor, node, warn);
      return true;
    case 'default':
      refuse(cursor, node, 'symbol', 'choice');
      readDefault(cursor, node);
      return true;
    case 'depends':
      if (!cursor.passes('on')) throw cursor.failNext('on is missing after depends', 'write depends on CONDITION');
      node.dependency = and(node.dependency, cursor.expression('condition'));
      cursor.end();
      return true;
    case 'select':
    case 'imply': {
      refuse(cursor, node, 'symbol');
      const value = cursor.target();
      (cursor.keyword === 'select' ? node.selects : node.implies).push({ value, condition: cursor.condition() });
      return true;
    }
    case 'range': {
      refuse(cursor, node, 'symbol');
      const value = { low: cursor.operand(), high: cursor.operand() };
      node.ranges.push({ value, condition: cursor.condition() });
      return true;
    }
    case 'visible':
      refuse(cursor, node, 'menu');
      if (!cursor.passes('if')) throw cursor.failNext('if is missing after visible', 'write visible if CONDITION');
      node.visibleIf = and(node.visibleIf, cursor.expression('condition'));
      cursor.end();
      return true;
    case 'optional':
      refuse(cursor, node, 'choice');
      cursor.end();
      if (typeof node.item !== 'string' && node.item.kind === 'choice') node.item.isOptional = true;
      return true;
    case 'option':
      throw cursor.fail('option is not supported', 'remove the line');
    case 'help':
      throw cursor.fail(`a ${describeItem(node.item)} has no help text`, 'write it below config NAME');
    default:
      return false;
  }
}

function refuse(cursor: TokenCursor, { item }: MenuNode, ...kinds: ('symbol' | 'choice' | 'menu')[]): void {
  const kind = typeof item === 'string' ? item : item.kind;
  if ((kinds as string[]).includes(kind)) return;
  const where = kinds.map((each) => (each === 'symbol' ? 'config' : each)).join(' or ');
  throw cursor.fail(`${cursor.keyword} has no meaning in a ${describeItem(item)}`, `it belongs to a ${where}`);
}

function setType(cursor: TokenCursor, node: MenuNode, warn: Warn): void {
  refuse(cursor, node, 'symbol', 'choice');
  const { item } = node;
  if (typeof item === 'string') return;
  const type = typed[cursor.keyword]!;
  if (item.kind === 'choice' && type !== 'bool') {
    throw cursor.fail(`a choice is between options that are on or off, and not of the type ${type}`, 'write bool');
  }
  if (item.type !== 'unknown' && item.type !== type) {
    warn(`${describeItem(item)} was of the type ${item.type} before; ${type} counts`, 'give it one type');
  }
  item.type = type;
}

function readPrompt(cursor: TokenCursor, node: MenuNode, warn: Warn): void {
  if (node.prompt) warn(`${describeItem(node.item)} has a second prompt here; only this one counts`);
  const { text } = cursor.text('the prompt');
  node.prompt = { text: text.trim(), condition: cursor.condition() };
}

function readDefault(cursor: TokenCursor, node: MenuNode): void {
  const value = cursor.expression('value');
  node.defaults.push({ value, condition: cursor.condition() });
}
