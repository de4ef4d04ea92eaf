import type { SourceLocation } from '../failure.ts';

/** A Dockerfile of one stage that stands in no file: it is made from another description. */
export interface GeneratedDockerfile {
  text: string;
  /** Of its instructions, in their order. */
  origins: Origin[];
}

/** The place of that description that an instruction comes from. */
export interface Origin {
  /** As its users call it: `install.python_packages`. */
  name: string;
  at: SourceLocation;
  /** The first and the last line of the instruction, counted from 1. */
  lines: readonly [number, number];
}

/** Where a line comes from; one between instructions belongs to the next. */
export function placeOfLine({ origins }: GeneratedDockerfile, line: number): SourceLocation {
  return (origins.find(({ lines }) => line <= lines[1]) ?? origins.at(-1)!).at;
}
