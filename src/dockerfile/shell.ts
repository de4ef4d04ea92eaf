/**
 * As much of the shell's grammar (POSIX XCU 2) as it takes to know what words the commands of a RUN have, where the words
 * rest on variables only. Nothing is run; what cannot be known is `unknown`.
 */
import { ShellExpansion, unknown, type ShellOptions } from './shell-expansion.ts';
import { tokensOf, type Word } from './shell-tokens.ts';

/** One command of a script. */
export interface ShellCommand {
  words: ShellWord[];
  /** What stands behind it: `;`, `&&`, a newline, …; '' at the end. */
  followedBy: string;
  /** Whether it is the condition of an if or a loop: its failure is an answer. */
  isCondition: boolean;
}

export interface ShellWord {
  raw: string;
  /** Every value that it may have. */
  values: string[];
}

/** Whether a part of the script is run. */
type Runs = 'yes' | 'no' | 'maybe';
const both = (one: Runs, other: Runs): Runs =>
  one === 'no' || other === 'no' ? 'no' : one === 'yes' && other === 'yes' ? 'yes' : 'maybe';
const not = (runs: Runs): Runs => (runs === 'yes' ? 'no' : runs === 'no' ? 'yes' : 'maybe');

/** Of a command: `usual` where nothing is known of it, and a build goes on only when it succeeds. */
type Status = Runs | 'usual';

interface Block {
  kind: 'if' | 'case' | 'loop' | 'group';
  /** Whether `&&` and `||` before it let it begin. */
  outer: Runs;
  /** Of the part that is read now. */
  runs: Runs;
  /** Whether an earlier part of it was run. */
  taken: Runs;
  /** Of case: what is compared. */
  subject?: string[];
  /** Of case: between `in` or `;;` and `)`. */
  pattern?: boolean;
  inCondition?: boolean;
}

/** The commands that the script may run, in order. What an `if`, `case`, `&&` or `||` is known to pass over is left out. */
export function commandsOf(script: string, options: ShellOptions): ShellCommand[] {
  return new Walk(script, options).commands;
}

class Walk {
  readonly commands: ShellCommand[] = [];
  readonly #expansion: ShellExpansion;
  readonly #blocks: Block[] = [];
  /** Of the last command: whether it succeeded; decides what `&&` and `||` run. */
  #status: Status = 'yes';
  #next: Runs = 'yes';

  constructor(script: string, options: ShellOptions) {
    this.#expansion = new ShellExpansion(options);
    const tokens = tokensOf(script);
    let words: Word[] = [];
    for (let index = 0; index <= tokens.length; index++) {
      const token = tokens[index];
      if (token?.kind === 'word') {
        const block = this.#blocks.at(-1);
        if (words.length === 0 && !token.quoted && this.#keyword(token.raw)) continue;
        if (block?.kind === 'case' && block.subject === undefined && token.raw === 'in' && words.length > 0) {
          block.subject = words.flatMap((word) => this.#expansion.values(word));
          block.pattern = true;
          words = [];
          continue;
        }
        words.push(token);
        continue;
      }
      const operator = token?.text ?? '';
      if (/[<>]/.test(operator)) {
        // What stands behind it is a file; a number or nothing before it.
        if (tokens[index + 1]?.kind === 'word') index++;
        continue;
      }
      const block = this.#blocks.at(-1);
      if (block?.kind === 'case' && block.pattern === true && block.subject !== undefined) {
        if (operator === '|' || operator === '(') continue;
        if (operator === ')') {
          this.#pattern(block, words);
          words = [];
          continue;
        }
      }
      if (words.length > 0) this.#command(words, operator);
      words = [];
      if (operator === ';;' && block?.kind === 'case') block.pattern = true;
      if (operator === '(') this.#open('group');
      if (operator === ')' && this.#blocks.at(-1)?.kind === 'group') this.#close();
      this.#follow(operator);
    }
  }

  #open(kind: Block['kind'], inCondition = false): void {
    this.#blocks.push({ kind, outer: this.#next, runs: 'yes', taken: 'no', inCondition });
    this.#next = 'yes';
  }

  #close(): void {
    // A group succeeds as its last command does.
    if (this.#blocks.pop()?.kind !== 'group') this.#status = 'usual';
    this.#next = 'yes';
  }

  #runs(): Runs {
    return this.#blocks.reduce<Runs>((runs, { outer, runs: own }) => both(runs, both(outer, own)), this.#next);
  }

  #keyword(text: string): boolean {
    const block = this.#blocks.at(-1);
    switch (text) {
      case 'if':
        this.#open('if', true);
        return true;
      case 'then':
        if (block) {
          const condition = this.#status === 'usual' ? 'maybe' : this.#status;
          block.inCondition = false;
          block.runs = both(not(block.taken), condition);
          if (block.taken !== 'yes' && condition !== 'no') block.taken = condition;
        }
        this.#next = 'yes';
        return true;
      case 'elif':
      case 'else':
        if (block) {
          block.runs = not(block.taken);
          block.inCondition = text === 'elif';
        }
        this.#next = 'yes';
        return true;
      case 'case':
        this.#open('case');
        return true;
      case 'while':
      case 'until':
      case 'for':
        // The words of a for are read as a command of its own.
        this.#open('loop', text !== 'for');
        return text !== 'for';
      case 'do':
        if (block) block.inCondition = false;
        this.#next = 'yes';
        return true;
      case 'fi':
      case 'esac':
      case 'done':
      case '}':
        this.#close();
        return true;
      case '{':
        this.#open('group');
        return true;
      case '!':
        return true;
      default:
        return false;
    }
  }

  #pattern(block: Block, words: readonly Word[]): void {
    block.pattern = false;
    const subject = block.subject ?? [];
    const patterns = words.flatMap((word) => this.#expansion.values(word));
    let matches: Runs = 'maybe';
    if (subject.length === 1 && ![...subject, ...patterns].some((value) => value.includes(unknown))) {
      matches = patterns.some((pattern) => shellPattern(pattern).test(subject[0]!)) ? 'yes' : 'no';
    } else if (patterns.includes('*')) matches = 'yes';
    block.runs = both(not(block.taken), matches);
    if (block.taken !== 'yes' && matches !== 'no') block.taken = matches;
    this.#next = 'yes';
  }

  #command(words: readonly Word[], operator: string): void {
    const runs = this.#runs();
    if (runs === 'no') return;
    const [first] = words;
    const isFor = first!.raw === 'for' && words[2]?.raw === 'in';
    const exporting = ['export', 'readonly', 'local', 'declare'].includes(first!.raw);
    let index = isFor ? 3 : exporting ? 1 : 0;
    if (isFor)
      this.#expansion.assign(
        words[1]!.raw,
        words.slice(3).flatMap((word) => this.#expansion.values(word)),
      );
    const assigned: [string, string[]][] = [];
    for (; index < words.length; index++) {
      if (isFor) break;
      const assignment = assignmentOf(words[index]!);
      if (!assignment) {
        if (exporting) continue;
        break;
      }
      assigned.push([assignment.name, this.#expansion.values(assignment.value)]);
    }
    const rest = isFor ? [] : words.slice(exporting ? words.length : index);
    if (rest.length === 0) {
      for (const [name, values] of assigned) {
        const before = runs === 'yes' ? [] : this.#expansion.current(name);
        this.#expansion.assign(name, [...before, ...values]);
      }
    }
    const values = words.map((word): ShellWord => ({ raw: word.raw, values: this.#expansion.values(word) }));
    const isCondition = this.#blocks.some((block) => block.inCondition === true);
    this.commands.push({ words: isFor ? values.slice(3) : values, followedBy: operator, isCondition });
    const status = rest.length === 0 ? 'yes' : testOf(values.slice(index).map((word) => word.values));
    this.#status = runs === 'yes' ? status : 'maybe';
  }

  #follow(operator: string): void {
    const status = this.#status;
    if (operator === '&&') this.#next = status === 'usual' ? 'yes' : status;
    else if (operator === '||') this.#next = status === 'usual' ? 'maybe' : not(status);
    else if (operator !== '|' && operator !== ')') this.#next = 'yes';
  }
}

function assignmentOf(word: Word): { name: string; value: Pick<Word, 'pieces'> } | undefined {
  const [first, ...rest] = word.pieces;
  if (first?.kind !== 'text') return undefined;
  const [whole, name] = /^([A-Za-z_]\w*)=/.exec(first.text) ?? [];
  if (whole === undefined || !word.raw.startsWith(whole)) return undefined;
  return { name: name!, value: { pieces: [{ kind: 'text', text: first.text.slice(whole.length) }, ...rest] } };
}

/** Whether a command succeeds; known of `[ A = B ]` and its like. */
function testOf(words: readonly string[][]): Status {
  const single = words.map((values) => (values.length === 1 && !values[0]!.includes(unknown) ? values[0]! : undefined));
  const [name] = single;
  if (name === 'true' || name === ':') return 'yes';
  if (name === 'false') return 'no';
  if (name !== '[' && name !== '[[' && name !== 'test') return 'usual';
  const operands = name === 'test' ? single.slice(1) : single.slice(1, -1);
  const answer = (holds: boolean): Runs => (holds ? 'yes' : 'no');
  const [first, second, third] = operands;
  if (operands.length === 2 && second !== undefined) {
    if (first === '-n') return answer(second !== '');
    if (first === '-z') return answer(second === '');
  }
  if (operands.length !== 3 || first === undefined || third === undefined) return 'maybe';
  if (second === '=' || second === '==') return answer(first === third);
  return second === '!=' ? answer(first !== third) : 'maybe';
}

function shellPattern(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, String.raw`\$&`)
    .replaceAll('*', '[^]*')
    .replaceAll('?', '[^]');
  try {
    return new RegExp(`^(?:${source})$`);
  } catch {
    return /(?!)/;
  }
}
