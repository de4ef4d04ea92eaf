import type { Budget } from './budget.ts';
import { wrong, type Span } from './source.ts';
import { isObject, keyOf, repr, textOf, kindOf, type Call, type Value } from './values.ts';

/** `"%s:%d" % (name, port)`. */
export function formatPercent(text: string, right: Value, span: Span, budget: Budget): string {
  const values = isObject(right, 'tuple') ? right.items : [right];
  let used = 0;
  const take = (name: string | undefined): Value => {
    if (name === undefined) {
      if (used >= values.length) throw wrong(span, 'this has more % than values', 'give a value for each');
      return values[used++]!;
    }
    const found = isObject(right, 'dict') ? right.entries.get(keyOf(name, budget.nodes)!) : undefined;
    if (!found) throw wrong(span, `there is no value for %(${name})`, `give a dictionary with ${repr(name)}`);
    used = values.length;
    return found[1];
  };
  const result = text.replaceAll(/%(?:\((\w*)\))?(.?)/gs, (whole, name: string | undefined, letter: string) => {
    if (whole === '%%') return '%';
    if (!'srdixXoc'.includes(letter) || letter === '') {
      const shown = JSON.stringify(whole);
      throw wrong(span, `there is no ${shown} in build files`, 'write %s, %d, %x, %r, or %% for a %');
    }
    return percent(letter, take(name), span, budget);
  });
  if (used < values.length && !(isObject(right, 'dict') && !text.includes('%'))) {
    throw wrong(span, 'this has fewer % than values', 'take the rest away');
  }
  budget.charge(result.length, span);
  return result;
}

function percent(letter: string, value: Value, span: Span, budget: Budget): string {
  if (letter === 's') return textOf(value, budget.nodes);
  if (letter === 'r') return repr(value, budget.nodes);
  if (letter === 'c' && typeof value === 'string') return value;
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number') throw wrong(span, `%${letter} needs a number, not ${kindOf(value)}`, 'write %s');
  if (letter === 'c') return number >= 0 && number <= 0xffff ? String.fromCharCode(number) : '\uFFFD';
  const base = letter === 'o' ? 8 : letter === 'x' || letter === 'X' ? 16 : 10;
  const digits = number.toString(base);
  return letter === 'X' ? digits.toUpperCase() : digits;
}

/** `"{}:{port}".format(name, port = 80)`. */
export function formatBraces(text: string, { positional, named, span }: Call, budget: Budget): string {
  let next = 0;
  const result = text.replaceAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g, (whole, field: string | undefined) => {
    if (whole === '{{' || whole === '}}') return whole[0]!;
    if (field === undefined)
      throw wrong(span, `this text has a single ${whole}`, `write ${whole}${whole} for a ${whole}`);
    const parts = /^([^!:]*)(?:!([a-z]))?(?::(.*))?$/s.exec(field);
    if (!parts) throw wrong(span, `{${field}} cannot be read`);
    const [, name = '', conversion = 's', spec = ''] = parts;
    if (conversion !== 's' && conversion !== 'r') throw wrong(span, '!s and !r are known only');
    const argument = name === '' ? positional[next++] : /^\d+$/.test(name) ? positional[Number(name)] : named.get(name);
    if (!argument) throw wrong(span, `there is no value for ${whole}`, 'give one more to format');
    return formatValue(argument.value, conversion, spec, span, budget);
  });
  budget.charge(result.length, span);
  return result;
}

/** A field of an f-string or of format: `[[FILL]ALIGN][0][WIDTH][d|s|x|X]`. */
export function formatValue(value: Value, conversion: string, spec: string, span: Span, budget: Budget): string {
  const parts = /^(?:(.)?([<>^]))?(0)?(\d{1,6})?([dsxX])?$/su.exec(spec);
  if (!parts) throw wrong(span, `the format ${JSON.stringify(spec)} is not known`, 'write :WIDTH, :<WIDTH or :04d');
  const [, fill, align, zero, width = '0', letter] = parts;
  const plain = letter === undefined || letter === 's';
  const text =
    conversion === 'r'
      ? repr(value, budget.nodes)
      : plain
        ? textOf(value, budget.nodes)
        : percent(letter, value, span, budget);
  const missing = Number(width) - text.length;
  if (missing <= 0) return text;
  budget.charge(Number(width), span);
  const numeric = typeof value === 'number' && conversion === 's';
  if (zero !== undefined && align === undefined && numeric) {
    return text.startsWith('-')
      ? `-${text.slice(1).padStart(Number(width) - 1, '0')}`
      : text.padStart(Number(width), '0');
  }
  const char = fill ?? (zero === undefined ? ' ' : '0');
  switch (align ?? (numeric ? '>' : '<')) {
    case '>':
      return char.repeat(missing) + text;
    case '^':
      return char.repeat(missing >> 1) + text + char.repeat(missing - (missing >> 1));
    default:
      return text + char.repeat(missing);
  }
}
