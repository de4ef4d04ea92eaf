/** A place in a text that the user wrote. Lines and columns count from 1; `text` is the whole line. */
export interface SourceLocation {
  file: string;
  line: number;
  column: number;
  /** How many characters the caret underlines; at least 1. */
  length: number;
  text: string;
}

/**
 * `input`: the call, the configuration or a file that the user gave is wrong (exit 2).
 * `operation`: what was asked could not be done (exit 1).
 */
export type FailureKind = 'input' | 'operation';

export interface FailureDetails {
  /** What was being done, on what: "reading imgbuild.yaml". */
  doing: string;
  /** Why it failed, in one sentence without a final period. */
  because: string;
  /** What to do next. */
  fix?: string;
  at?: SourceLocation;
  kind?: FailureKind;
  cause?: unknown;
}

/**
 * An error that is meant for the user: it names what was being done, on what, the cause and the next step.
 * Anything else that reaches the command line is a defect of imgbuild and is reported as such.
 */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly doing: string;
  readonly because: string;
  readonly fix: string | undefined;
  readonly at: SourceLocation | undefined;
  readonly kind: FailureKind;

  constructor(details: FailureDetails) {
    super(`${details.doing}: ${details.because}`, details.cause === undefined ? {} : { cause: details.cause });
    this.doing = details.doing;
    this.because = details.because;
    this.fix = details.fix;
    this.at = details.at;
    this.kind = details.kind ?? 'operation';
  }

  get exitCode(): 1 | 2 {
    return this.kind === 'input' ? 2 : 1;
  }
}

/** Several failures at once, of a configuration or of layers side by side: all are shown, so that one run mends all. */
export class Failures extends Error {
  override readonly name = 'Failures';
  readonly failures: readonly Failure[];

  constructor(failures: readonly Failure[]) {
    super(failures.map((failure) => failure.message).join('\n'));
    this.failures = failures;
  }

  get exitCode(): 1 | 2 {
    return this.failures.some((failure) => failure.kind === 'operation') ? 1 : 2;
  }
}
