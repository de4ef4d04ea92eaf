import type { SourceLocation } from '../failure.ts';
import type { Heredoc } from './heredoc.ts';

/** `--name=value`; `value` is undefined where there is no `=`. Quotes and escapes are taken away. */
export interface Flag {
  name: string;
  value: string | undefined;
}

/** ENV and LABEL: `NAME=value`, or the old `NAME value` with `spaced`. Not expanded. */
export interface Pair {
  name: string;
  value: string;
  spaced: boolean;
}

/** What follows the keyword and its flags. */
export type Operands =
  /** The JSON form: `["a", "b"]`. */
  | { form: 'json'; words: string[] }
  /** Words between white space: FROM, COPY, ADD, EXPOSE, VOLUME, ARG. */
  | { form: 'words'; words: string[] }
  /** One text as it stands: RUN, CMD, ENTRYPOINT for the shell; WORKDIR, USER, STOPSIGNAL, MAINTAINER. */
  | { form: 'text'; text: string }
  | { form: 'pairs'; pairs: Pair[] }
  /** HEALTHCHECK: `NONE`, or `CMD` and a command. */
  | { form: 'health'; type: string; command: Operands | undefined }
  /** ONBUILD. */
  | { form: 'trigger'; instruction: Instruction };

export interface Instruction {
  /** In upper case. */
  keyword: string;
  flags: Flag[];
  operands: Operands;
  heredocs: Heredoc[];
  /** Where the keyword stands. */
  at: SourceLocation;
  /** The lines that it takes, heredocs included: [first, last], from 1. */
  lines: [number, number];
}

export function flagValue(instruction: Instruction, name: string): string | undefined {
  return instruction.flags.findLast((flag) => flag.name === name)?.value;
}

export function flagValues(instruction: Instruction, name: string): string[] {
  return instruction.flags.filter((flag) => flag.name === name).flatMap((flag) => flag.value ?? []);
}

/** A switch: given without a value or with `true`, in any case of letters. */
export function flagSet(instruction: Instruction, name: string): boolean {
  const flag = instruction.flags.findLast((one) => one.name === name);
  return flag !== undefined && (flag.value === undefined || flag.value.toLowerCase() === 'true');
}

/** The words of COPY, ADD, FROM and their like, whichever form they have. */
export function wordsOf(instruction: Instruction): string[] {
  const { operands } = instruction;
  return operands.form === 'json' || operands.form === 'words' ? operands.words : [];
}

/**
 * The instruction in one line, the same for every layout of it: the keyword in upper case, single spaces where
 * spaces only separate, the JSON form without spaces. What a shell gets stays as it is, since BuildKit hands it over
 * untouched. `flagText` may write a flag's value another way.
 */
export function instructionText(instruction: Instruction, flagText: (flag: Flag) => string | undefined): string {
  const flags = instruction.flags.map((flag) => {
    const value = flagText(flag);
    return value === undefined ? `--${flag.name}` : `--${flag.name}=${quoted(value)}`;
  });
  const rest = operandsText(instruction.operands, flagText);
  // Only `--` in front lets an instruction's own text begin with dashes.
  if (rest.startsWith('--')) flags.push('--');
  return [instruction.keyword, ...flags, ...(rest === '' ? [] : [rest])].join(' ');
}

function operandsText(operands: Operands, flagText: (flag: Flag) => string | undefined): string {
  switch (operands.form) {
    case 'json':
      return JSON.stringify(operands.words);
    case 'words':
      return operands.words.join(' ');
    case 'text':
      return operands.text;
    case 'pairs':
      return operands.pairs.map(pairText).join(' ');
    case 'health': {
      const command = operands.command && operandsText(operands.command, flagText);
      return command === undefined ? operands.type : `${operands.type} ${command}`;
    }
    case 'trigger':
      return instructionText(operands.instruction, flagText);
  }
}

function pairText({ name, value, spaced }: Pair): string {
  if (!spaced) return `${name}=${value}`;
  // A single space behind an escape character would be part of the name.
  return `${name}${/[\\`]$/.test(name) ? '  ' : ' '}${value}`;
}

function quoted(value: string): string {
  return /[\s"'\\]/.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : value;
}

/** The heredocs' bodies as the build gets them: COPY and ADD drop the tabs in front of `<<-`'s lines. */
export function heredocBodies(instruction: Instruction): string[] {
  const inner = instruction.operands.form === 'trigger' ? instruction.operands.instruction : instruction;
  const dropTabs = inner.keyword !== 'RUN';
  return instruction.heredocs.map(({ body, tabs }) => (tabs && dropTabs ? body.replaceAll(/^\t+/gm, '') : body));
}
