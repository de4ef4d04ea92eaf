import { Failure, type SourceLocation } from '../failure.ts';
import type { Dockerfile } from '../dockerfile/parse.ts';
import type { Instruction } from '../dockerfile/instruction.ts';
import type { BuildEvent } from './engine.ts';

const logLinesKept = 30;
const otherLinesKept = 60;

interface Step {
  name: string;
  log: string[];
  error?: string;
}

/** Listens to a build and, when it fails, says where in the Dockerfile and with what last output. */
export class StepFailures {
  readonly #steps = new Map<string, Step>();
  readonly #other: string[] = [];
  readonly #layer: string;
  readonly #dockerfile: Dockerfile;

  constructor(layer: string, dockerfile: Dockerfile) {
    this.#layer = layer;
    this.#dockerfile = dockerfile;
  }

  onEvent(event: BuildEvent): void {
    if (event.kind === 'step-started') {
      this.#steps.set(event.id, { name: event.name, log: [''] });
      return;
    }
    const step = this.#steps.get(event.id);
    if (step === undefined) return;
    if (event.kind === 'step-done') {
      if (event.error !== undefined) step.error = event.error;
      return;
    }
    const [first, ...rest] = event.text.split('\n');
    step.log.push(`${step.log.pop() ?? ''}${first}`, ...rest);
    step.log.splice(0, Math.max(0, step.log.length - logLinesKept));
  }

  /** A line that belongs to no step. */
  onOther(line: string): void {
    this.#other.push(line);
    this.#other.splice(0, Math.max(0, this.#other.length - otherLinesKept));
  }

  failure(): Failure {
    const doing = `building ${this.#layer}`;
    const syntax = this.#syntaxFailure(doing);
    if (syntax) return syntax;
    const failed = [...this.#steps.values()].filter((step) => step.error !== undefined);
    const step = failed.find(({ error }) => !wasCanceled(error!));
    const at = this.#printedLine() ?? (step && this.#lineOf(step));
    const output = step?.log.join('\n').trim() ?? '';
    const error = (step?.error ?? this.#lastError()).trim();
    const because = step ? `${stepText(step.name)} failed: ${shortError(error)}` : shortError(error);
    return new Failure({
      doing,
      because: output === '' ? because : `${because}\nits last output:\n${indent(output)}`,
      fix: fixFor(`${error}\n${output}`),
      ...(at === undefined ? {} : { at }),
    });
  }

  /** A `# syntax` line names an image that is fetched before anything else. */
  #syntaxFailure(doing: string): Failure | undefined {
    const syntax = this.#dockerfile.directives.find((directive) => directive.name === 'syntax');
    if (!syntax) return undefined;
    const step = [...this.#steps.values()].find(
      ({ name, error }) => error !== undefined && /^(resolve image config for|docker-image:\/\/)/.test(name),
    );
    const gateway = this.#other.find((line) => /frontend gateway\.v0/.test(line));
    if (!step && !gateway) return undefined;
    return new Failure({
      doing,
      because: `the frontend that its # syntax line names cannot be fetched: ${shortError(step?.error ?? gateway!)}`,
      fix: 'take the # syntax line out where the Dockerfile does not need it, or name a registry that this machine reaches',
      at: syntax.at,
    });
  }

  /** buildx prints `Dockerfile:3` above an excerpt; the parser says `parse error on line 3`. */
  #printedLine(): SourceLocation | undefined {
    for (const [index, line] of this.#other.entries()) {
      const printed = /^\S.*:(\d+)$/.exec(line);
      if (printed && /^-{6,}$/.test(this.#other[index + 1] ?? '')) return this.#place(Number(printed[1]));
      const parser = /parse error (?:on )?line (\d+)/.exec(line);
      if (parser) return this.#place(Number(parser[1]));
    }
    return undefined;
  }

  #lineOf(step: Step): SourceLocation | undefined {
    const instruction = findInstruction(this.#dockerfile, step.name);
    return instruction && this.#place(instruction.lines[0]);
  }

  #place(line: number): SourceLocation | undefined {
    const instruction = this.#dockerfile.instructions.find(({ lines }) => lines[0] <= line && line <= lines[1]);
    return instruction?.at;
  }

  #lastError(): string {
    const said = this.#other.findLast((line) => /^(ERROR: )?fail(ed|ure)|^ERROR|^error|denied|cannot/i.test(line));
    return (said ?? this.#other.at(-1) ?? 'the engine gave no reason').replace(/^ERROR: /, '');
  }
}

/**
 * Steps that run beside the failing one are canceled with it, and some say first what they were at:
 * `unable to get info about digest: no active session for …: context canceled`.
 */
const wasCanceled = (error: string) => /^(context )?cancell?ed\b|: context canceled\.?$/i.test(error.trim());

/** `[linux/amd64 builder 2/5] RUN make` → `RUN make`. */
function stepText(name: string): string {
  const text = name.replace(/^\[(?!internal)[^\]]*\] /, '').replaceAll(/\s+/g, ' ');
  return text.length > 160 ? `${text.slice(0, 157)}...` : text;
}

/** BuildKit repeats the whole command in the error; the step's name has said it. */
function shortError(error: string): string {
  const code = /(?:did not complete successfully|executor failed running .*): (exit code: \d+.*)$/s.exec(error);
  return (code?.[1] ?? error)
    .replace(/^failed to (?:build: failed to )?solve(?: with frontend [\w.]+)?: /, '')
    .replace(/\.$/, '');
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n');
}

function fixFor(text: string): string {
  if (/no space left on device/i.test(text))
    return 'make room on the disk of the engine: `docker buildx prune` or `docker system prune`';
  if (/CERTIFICATE_VERIFY_FAILED|certificate signed by unknown authority|SSL certificate problem/i.test(text)) {
    return 'give the step the certificates of this machine: RUN --mount=type=secret,id=ca,target=/run/secrets/ca.pem,required=false … (docs/engines.md)';
  }
  if (/no SSH key .* forwarded|unset ssh forward key|ssh agent|agent config/i.test(text)) {
    return 'give the layer an SSH agent that runs, in imgbuild.yaml: ssh: [default] takes that of SSH_AUTH_SOCK, ssh: ["ID=SOCKET"] another';
  }
  if (/not found: not found|"\/[^"]*": not found|failed to compute cache key/i.test(text)) {
    return 'check that the file exists in the build context and that .dockerignore lets it through';
  }
  return 'mend the step and run the same command again: layers that were built stay saved';
}

const counted = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR']);

const squeeze = (text: string) => text.replaceAll(/\\\s*\n/g, '').replaceAll(/\s+/g, '');

/** The instruction of a step: by its text where that is unique, else by its number in its stage (FROM is the first). */
function findInstruction(dockerfile: Dockerfile, name: string): Instruction | undefined {
  const match = /^\[(?:\S+\/\S+ )?(?:(\S+) )?(\d+)\/(\d+)\] (.*)$/s.exec(name);
  if (!match) return undefined;
  const [, stageName = 'stage-0', number, total, text] = match as unknown as [
    string,
    string | undefined,
    string,
    string,
    string,
  ];
  const stage = stageInstructions(dockerfile, stageName);
  const steps = stage.filter(({ keyword }) => counted.has(keyword));
  const wanted = squeeze(text);
  const same = steps.filter((one) => squeeze(sourceOf(one)) === wanted);
  if (same.length === 1) return same[0];
  // The FROM of an image is a step of its own, that of another stage is none.
  const index = Number(number) - (Number(total) === steps.length ? 1 : 2);
  return index < 0 ? stage[0] : steps[index];
}

/** FROM and what follows it. BuildKit names a stage without AS `stage-0`, `stage-1`. */
function stageInstructions(dockerfile: Dockerfile, name: string): Instruction[] {
  const stages: Instruction[][] = [];
  for (const instruction of dockerfile.instructions) {
    if (instruction.keyword === 'FROM') stages.push([]);
    stages.at(-1)?.push(instruction);
  }
  const named = stages.find(([from]) => {
    const words = from!.operands.form === 'words' ? from!.operands.words : [];
    return words[1]?.toUpperCase() === 'AS' && words[2]?.toLowerCase() === name.toLowerCase();
  });
  const numbered = /^stage-(\d+)$/.exec(name);
  return named ?? (numbered ? stages[Number(numbered[1])] : undefined) ?? stages.at(-1) ?? [];
}

function sourceOf(instruction: Instruction): string {
  const { operands, flags, keyword } = instruction;
  const flagText = flags.map(({ name, value }) => (value === undefined ? `--${name}` : `--${name}=${value}`)).join('');
  const rest =
    operands.form === 'text'
      ? operands.text
      : operands.form === 'json' || operands.form === 'words'
        ? operands.words.join('')
        : '';
  return `${keyword}${flagText}${rest}`;
}
