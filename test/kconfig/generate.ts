import type { Random } from '../agreement/random.ts';

/** Kconfig files by their names, `Kconfig` first, and texts of .config to read with them. */
export interface KconfigCase {
  files: Record<string, string>;
  configs: string[];
}

type Type = 'bool' | 'string' | 'int' | 'hex';
interface Known {
  name: string;
  type: Type;
}

const texts = ['', 'a', 'two words', '"quoted"', 'back\\slash', '1', '0x1f', 'y', 'n', 'm', "it's", 'é 漢字', '# none'];
const numbers = ['0', '1', '4', '7', '12', '100', '-3', '007'];
const hexes = ['0x0', '0x1', '0x1F', '0xff', '10', '0XaB'];

const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`;

/** A tree with all that options can have, mostly without circles, and configurations of it, partly wrong ones. */
export function randomKconfig(random: Random, configurations: number): KconfigCase {
  const generator = new Generator(random);
  const files = generator.files();
  return { files, configs: Array.from({ length: configurations }, () => generator.config()) };
}

class Generator {
  readonly #random: Random;
  readonly #known: Known[] = [];
  readonly #files: Record<string, string> = {};
  /** Names to come, for the few conditions that look ahead. */
  readonly #names: Known[];
  readonly #namedChoices: string[] = [];
  /** How many of the known may be referred to: a second definition looks back to before the first. */
  #limit = Number.POSITIVE_INFINITY;
  #depth = 0;

  constructor(random: Random) {
    this.#random = random;
    const count = 2 + random.below(28);
    this.#names = Array.from({ length: count }, (_, index) => ({
      name: `${random.pick(['S', 'OPT_', 'X'])}${index}`,
      type: random.pick<Type>(['bool', 'bool', 'bool', 'bool', 'string', 'int', 'hex']),
    }));
  }

  files(): Record<string, string> {
    const lines = this.#random.chance(0.5) ? ['mainmenu "Main of all"', ''] : [];
    while (this.#known.length < this.#names.length) lines.push(...this.#item(0, false));
    return { Kconfig: `${lines.join('\n')}\n`, ...this.#files };
  }

  /** One thing of a block. */
  #item(depth: number, inChoice: boolean): string[] {
    const { below, chance } = this.#random;
    if (inChoice && chance(0.85)) return this.#config(true);
    const kind = depth > 3 ? 0 : below(16);
    if (kind <= 7) return this.#config(false);
    if (kind <= 9) return this.#block('menu', depth);
    if (kind <= 11) return this.#block('if', depth);
    if (kind <= 13 && !inChoice) return this.#choice(depth);
    if (kind === 14) return [`comment ${this.#prompt()}`, ...this.#depends(0.4), ''];
    if (inChoice) return this.#config(true);
    return this.#source(depth);
  }

  #items(depth: number, inChoice: boolean): string[] {
    const count = this.#random.below(5);
    this.#depth += 1;
    const lines = Array.from({ length: count }, () => this.#item(depth + 1, inChoice)).flat();
    this.#depth -= 1;
    return lines;
  }

  #block(kind: 'menu' | 'if', depth: number): string[] {
    const { chance } = this.#random;
    if (kind === 'if') return [`if ${this.#condition()}`, ...this.#items(depth, false), 'endif', ''];
    const visible = chance(0.2) ? [`\tvisible if ${this.#condition()}`] : [];
    return [
      `menu ${this.#prompt()}`,
      ...this.#depends(0.3),
      ...visible,
      '',
      ...this.#items(depth, false),
      'endmenu',
      '',
    ];
  }

  #choice(depth: number): string[] {
    const { chance, pick } = this.#random;
    let name = '';
    if (chance(0.12)) {
      if (this.#namedChoices.length === 0 || chance(0.5)) this.#namedChoices.push(`CHOICE${this.#namedChoices.length}`);
      name = ` ${pick(this.#namedChoices)}`;
    }
    const before = this.#known.length;
    const head = [`choice${name}`];
    if (chance(0.9)) head.push(`\t${chance(0.5) ? 'bool' : 'prompt'} ${this.#prompt()}${this.#if(0.2)}`);
    if (chance(0.2)) head.push('\toptional');
    head.push(...this.#depends(0.3));
    // What is in a choice cannot hang on one another.
    const limit = this.#limit;
    if (chance(0.98)) this.#limit = Math.min(limit, before);
    const body = this.#items(depth, true);
    this.#limit = limit;
    const inside = this.#known.slice(before);
    const outside = this.#known.slice(0, before);
    if (inside.length > 0 && chance(0.6)) {
      head.push(
        `\tdefault ${pick(inside).name}${chance(0.3) && outside.length > 0 ? ` if ${pick(outside).name}` : ''}`,
      );
    }
    return [...head, '', ...body, 'endchoice', ''];
  }

  #source(depth: number): string[] {
    const number = Object.keys(this.#files).length;
    const name = `sub/Kconfig.${number}`;
    this.#files[name] = '';
    this.#files[name] = `${this.#items(depth, false).join('\n')}\n`;
    return [`source "${name}"`, ''];
  }

  #config(inChoice: boolean): string[] {
    const { chance, pick } = this.#random;
    const next = this.#names[this.#known.length];
    const again = this.#known.length > 0 && chance(this.#depth === 0 ? 0.1 : 0.005);
    if (!again && !next) return ['comment "nothing"', ''];
    const symbol = again ? pick(this.#known) : next!;
    const limit = this.#limit;
    if (again) this.#limit = this.#known.indexOf(symbol);
    const type = inChoice && !again ? 'bool' : symbol.type;
    const lines = [`${chance(0.15) ? 'menuconfig' : 'config'} ${symbol.name}`];
    if (!again || chance(0.8)) {
      if (chance(0.1)) lines.push(`\tdef_${type} ${this.#value(type)}${this.#if(0.3)}`);
      else lines.push(`\t${type}${chance(inChoice ? 0.95 : 0.75) ? ` ${this.#prompt()}${this.#if(0.25)}` : ''}`);
    }
    lines.push(...this.#depends(0.35));
    while (chance(0.4)) lines.push(`\tdefault ${this.#value(type)}${this.#if(0.4)}`);
    if (type === 'int' || type === 'hex') while (chance(0.4)) lines.push(this.#range(type));
    if (type === 'bool' && !inChoice) {
      while (chance(0.2)) lines.push(`\t${pick(['select', 'imply'])} ${this.#ahead('bool')}${this.#if(0.4)}`);
    }
    if (chance(0.2)) lines.push('\thelp', '\t  What it is for.', '', '\t    Indented, "quoted" $ as it is.');
    this.#limit = limit;
    if (!again && next) this.#known.push({ name: next.name, type });
    return [...lines, ''];
  }

  /** Selects look ahead as a rule: so they make no circles with conditions, which look back. */
  #ahead(type: Type): string {
    const { chance, pick } = this.#random;
    const later =
      this.#limit < this.#names.length
        ? []
        : this.#names.slice(this.#known.length + 1).filter((each) => each.type === type);
    if (later.length > 0 && chance(0.99)) return pick(later).name;
    return chance(0.9) ? 'UNDEFINED' : pick(this.#names).name;
  }

  #range(type: Type): string {
    const from = type === 'int' ? numbers : hexes;
    const end = () => (this.#random.chance(0.85) ? this.#random.pick(from) : this.#reference(type));
    return `\trange ${end()} ${end()}${this.#if(0.4)}`;
  }

  #prompt(): string {
    return quoted(`${this.#random.pick(['Use', 'Häuser', 'A "b"', 'x\\y', '#'])} ${this.#random.word()}`);
  }

  #depends(part: number): string[] {
    const lines: string[] = [];
    while (this.#random.chance(part)) lines.push(`\tdepends on ${this.#condition()}`);
    return lines;
  }

  #if(part: number): string {
    return this.#random.chance(part) ? ` if ${this.#condition()}` : '';
  }

  #value(type: Type): string {
    const { chance, pick } = this.#random;
    if (type === 'bool') return chance(0.7) ? pick(['y', 'n', 'y', '"y"', 'm']) : this.#condition();
    if (chance(0.2)) return this.#reference(type);
    if (type === 'string') return quoted(pick(texts));
    return pick(chance(0.05) ? ['none', '""'] : type === 'int' ? numbers : hexes);
  }

  #reference(type?: Type): string {
    const { chance, pick } = this.#random;
    const known = this.#known.slice(0, this.#limit);
    const same = known.filter((each) => type === undefined || each.type === type);
    if (chance(0.003)) return pick(this.#names).name;
    if (same.length > 0 && chance(0.95)) return pick(same).name;
    return known.length > 0 ? pick(known).name : 'UNDEFINED';
  }

  #condition(depth = 0): string {
    const { below, pick } = this.#random;
    const kind = depth > 2 ? below(8) : below(12);
    if (kind <= 4) return this.#reference('bool');
    if (kind === 5) return pick(['y', 'n', 'm', 'MODULES', 'UNDEFINED', '"y"']);
    if (kind <= 7) return this.#relation();
    if (kind === 8) return `!${this.#operand(depth)}`;
    const operator = kind === 9 ? '||' : '&&';
    return `${this.#operand(depth)} ${operator} ${this.#operand(depth)}`;
  }

  #operand(depth: number): string {
    const inner = this.#condition(depth + 1);
    return /[&|]/.test(inner) && this.#random.chance(0.7) ? `(${inner})` : inner;
  }

  #relation(): string {
    const { chance, pick } = this.#random;
    const relation = pick(['=', '=', '!=', '<', '<=', '>', '>=']);
    const constant = () => pick([...numbers, ...hexes, 'y', 'n', 'm', ...texts.map(quoted)]);
    const left = this.#reference();
    const right = chance(0.7) ? constant() : this.#reference();
    return chance(0.8) ? `${left} ${relation} ${right}` : `${right} ${relation} ${left}`;
  }

  config(): string {
    const { below, chance, pick } = this.#random;
    const count = below(this.#names.length * 2);
    const lines = Array.from({ length: count }, () => {
      if (chance(0.03))
        return pick(['nonsense', '# a comment', '', 'CONFIG_', 'CONFIG_NEW=y', '# CONFIG_OLD is not set']);
      const { name, type } = pick(this.#names);
      if (chance(0.15)) return `# CONFIG_${name} is not set`;
      return `CONFIG_${name}=${this.#assigned(chance(0.95) ? type : pick<Type>(['bool', 'string', 'int', 'hex']))}`;
    });
    return lines.map((line) => `${line}\n`).join('');
  }

  #assigned(type: Type): string {
    const { pick } = this.#random;
    if (type === 'bool') return pick(['y', 'y', 'n', 'yes']);
    if (type === 'string') return quoted(pick(texts));
    return pick(type === 'int' ? numbers : hexes);
  }
}
