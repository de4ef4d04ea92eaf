/** mulberry32: the same numbers for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Kind = 'int' | 'text' | 'list' | 'dict' | 'bool';

/**
 * A program that means the same in Python and in a build file: functions, loops, comprehensions, formats, slices and
 * methods of random shape. Its variable `x` is the result.
 */
export function programOf(random: () => number): string {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const small = () => Math.floor(random() * 9) - 3;
  const literals = ["'a'", '"b c"', "'''d\\ne'''", "r'\\f'", "'g' 'h'", '"\\x41\\t"', "'Ab-cD,e'"];
  const names: Record<Kind, string[]> = { int: [], text: [], list: [], dict: [], bool: [] };

  const int = (depth: number): string => {
    if (depth <= 0)
      return names.int.length > 0 && random() < 0.5 ? pick(names.int) : String(small()).replace(/^-/, '-');
    const more: (() => string)[] = [
      () => `(${int(depth - 1)} ${pick(['+', '-', '*'])} ${int(depth - 1)})`,
      () => `(${int(depth - 1)} ${pick(['//', '%'])} ${pick(['3', '-2', '7'])})`,
      () => `(${int(depth - 1)} ${pick(['&', '|', '^'])} ${int(depth - 1)})`,
      () => `len(${pick([text, list, dict])(depth - 1)})`,
      () => `(${int(depth - 1)} if ${bool(depth - 1)} else ${int(depth - 1)})`,
      () => `${text(depth - 1)}.count('a')`,
      () => `${text(depth - 1)}.find('b')`,
      () => `(-${int(depth - 1)})`,
      () => `max(${int(depth - 1)}, ${int(depth - 1)})`,
      () => `${dict(depth - 1)}.get('k', ${small()})`,
    ];
    return pick(more)();
  };
  const text = (depth: number): string => {
    if (depth <= 0) return names.text.length > 0 && random() < 0.4 ? pick(names.text) : pick(literals);
    const more: (() => string)[] = [
      () => `(${text(depth - 1)} + ${text(depth - 1)})`,
      () => `(${text(depth - 1)} * ${Math.floor(random() * 4)})`,
      () => `${text(depth - 1)}.${pick(['upper', 'lower', 'strip', 'lstrip', 'rstrip', 'capitalize', 'title'])}()`,
      () => `${text(depth - 1)}.replace('a', ${text(depth - 2)})`,
      () => `${pick(["','", "'-'"])}.join([str(e) for e in ${list(depth - 1)}])`,
      () => `'%s:%d%%' % (${text(depth - 1)}, ${int(depth - 1)})`,
      () => `'{}/{n}{{}}'.format(${text(depth - 1)}, n=${int(depth - 1)})`,
      () => `${text(depth - 1)}[${small()}:${small()}]`,
      () => `${text(depth - 1)}[::${pick(['-1', '2', '1'])}]`,
      () => `f"<{${plainText(depth - 1)}}:{${plainInt(depth - 1)}:${pick(['04d', '>5', '<4', '3'])}}>"`,
      () => `${text(depth - 1)}.partition('b')[0]`,
    ];
    return pick(more)();
  };
  /** Without quotes and backslashes, which may not stand in an f-string of older Pythons. */
  const plainText = (depth: number): string => (names.text.length > 0 ? pick(names.text) : `str(${plainInt(depth)})`);
  const plainInt = (depth: number): string => {
    if (depth <= 0) return names.int.length > 0 ? pick(names.int) : String(Math.abs(small()));
    return `(${plainInt(depth - 1)} ${pick(['+', '*', '-'])} ${plainInt(depth - 1)})`;
  };
  const list = (depth: number): string => {
    if (depth <= 0)
      return names.list.length > 0 && random() < 0.5 ? pick(names.list) : `[${small()}, ${small()}, ${small()}]`;
    const more: (() => string)[] = [
      () => `[i * ${small()} for i in ${list(depth - 1)} if i ${pick(['>', '!=', '<='])} ${small()}]`,
      () => `sorted(${list(depth - 1)}, reverse=${pick(['True', 'False'])})`,
      () => `(${list(depth - 1)} + ${list(depth - 1)})`,
      () => `${list(depth - 1)}[${small()}:${small()}:${pick(['1', '2', '-1'])}]`,
      () => `list(range(${int(depth - 1)} % 7))`,
      () => `[a + b for a, b in zip(${list(depth - 1)}, ${list(depth - 1)})]`,
      () => `[i - v for i, v in enumerate(${list(depth - 1)})]`,
      () => `[len(w) for w in ${text(depth - 1)}.split(${pick(['', "','", "'-', 1"])})]`,
      () => `list(${dict(depth - 1)}.values())`,
      () => `list(reversed(${list(depth - 1)}))`,
    ];
    return pick(more)();
  };
  const dict = (depth: number): string => {
    if (depth <= 0)
      return names.dict.length > 0 && random() < 0.4 ? pick(names.dict) : `{'k': ${small()}, 'l': ${small()}}`;
    const more: (() => string)[] = [
      () => `{'m%d' % i: i for i in ${list(depth - 1)}}`,
      () => `dict([('k', ${int(depth - 1)})], n=${int(depth - 1)})`,
      () => `{k.upper(): v for k, v in ${dict(depth - 1)}.items()}`,
    ];
    return pick(more)();
  };
  const bool = (depth: number): string => {
    if (depth <= 0) return pick(['True', 'False', ...names.bool]);
    const more: (() => string)[] = [
      () => `(${int(depth - 1)} ${pick(['<', '>=', '==', '!='])} ${int(depth - 1)})`,
      () => `(${text(depth - 1)} ${pick(['in', 'not in', '==', '<'])} ${text(depth - 1)})`,
      () => `(${bool(depth - 1)} ${pick(['and', 'or'])} not ${bool(depth - 1)})`,
      () => `bool(${list(depth - 1)})`,
      () => `${text(depth - 1)}.${pick(['startswith', 'endswith'])}(('a', 'b'))`,
      () => `${text(depth - 1)}.${pick(['isdigit', 'isalpha', 'isupper', 'islower', 'isspace', 'isalnum'])}()`,
      () => `(${list(depth - 1)} == ${list(depth - 1)})`,
    ];
    return pick(more)();
  };
  const makers: Record<Kind, (depth: number) => string> = { int, text, list, dict, bool };
  const lines: string[] = [];
  const kinds = Object.keys(makers) as Kind[];
  const count = 2 + Math.floor(random() * 6);
  for (let index = 0; index < count; index++) {
    const kind = pick(kinds);
    const name = `v${index}`;
    const value = () => makers[kind](1 + Math.floor(random() * 3));
    switch (Math.floor(random() * 5)) {
      case 0:
        lines.push(
          `def f${index}(a, b=${small()}, *rest, **others):`,
          '  "what it does"',
          `  if a ${pick(['>', '<'])} b:`,
        );
        lines.push(
          `    return ${value()}`,
          `  return ${value()}`,
          `${name} = f${index}(${int(1)}, ${pick(['', `b=${int(1)}`, `${small()}, 5, z=1`])})`,
        );
        break;
      case 1:
        lines.push(
          `${name} = ${value()}`,
          `for i in ${list(1)}:`,
          `  if i ${pick(['>', '=='])} ${small()}: ${pick(['continue', 'break'])}`,
        );
        lines.push(kind === 'int' ? `  ${name} += i` : `  ${name} = ${value()}`);
        break;
      case 2:
        lines.push(
          `if ${bool(2)}:`,
          `    ${name} = ${value()}`,
          `elif ${bool(1)}:`,
          `    ${name} = ${value()}`,
          'else:',
          `    ${name} = ${value()}`,
        );
        break;
      default:
        lines.push(`${name} = ${value()}`);
    }
    names[kind].push(name);
  }
  lines.push(`x = [${kinds.flatMap((kind) => names[kind]).join(', ')}]`);
  return `${lines.join('\n')}\n`;
}

const words =
  'def build ( ) : , . = == + - * // % [ ] { } if elif else for in not and or lambda return break continue pass None True ' +
  'base install python_packages run io copy config runtime include name commands "a" \'b\' f"{x}" """c""" r"\\d" 0 1 42 0x1f x y # \\ ; -> := @ while';

/** A build file that was cut, doubled and mixed with other words. */
export function brokenFile(random: () => number, good: string): string {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  let text = good;
  const changes = 1 + Math.floor(random() * 6);
  for (let change = 0; change < changes; change++) {
    const from = Math.floor(random() * (text.length + 1));
    const to = Math.min(text.length, from + Math.floor(random() * 30));
    const bits = [
      '',
      pick(words.split(' ')),
      `\n${' '.repeat(Math.floor(random() * 9))}${pick(words.split(' '))} `,
      text.slice(from, to).repeat(2),
      String.fromCharCode(Math.floor(random() * 0x300)),
    ];
    text = text.slice(0, from) + pick(bits) + text.slice(random() < 0.5 ? from : to);
  }
  return text;
}
