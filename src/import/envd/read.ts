import type { LocalFiles } from '../local-files.ts';
import type { GeneratedDockerfile, Origin } from '../../dockerfile/generated.ts';
import { locationOf, wrong, type Span } from '../starlark/source.ts';
import { collect, type BuildFile } from './collect.ts';
import { foundationOf } from './images.ts';
import { installR, instructionsOf, standardFolders, type Setting } from './instructions.ts';
import { groupsOf, inOrder, type Group, type Order } from './order.ts';
import { runningOf } from './running.ts';
import { LineEnd } from './shell.ts';
import type { Collected, Said, Step } from './steps.ts';

export interface EnvdRequest extends BuildFile {
  /** The folder that the build sees, relative to the root. */
  context: string;
  order: Order;
  /** Images by the names that `base` gives them. */
  images: ReadonlyMap<string, string>;
  files: LocalFiles;
  /** How a layer's image is named in the FROM of the next; `suffix` is '' for the last. */
  imageOf(suffix: string): string;
}

export interface EnvdLayer {
  /** What follows the name of the whole: `system`, `python`, `python-2`; '' for the last. */
  suffix: string;
  dockerfile: GeneratedDockerfile;
}

export interface EnvdBuild {
  /** Each is built on the one before. */
  layers: EnvdLayer[];
  /** What the image cannot do by itself: options of `docker run`, with the calls that ask for them. */
  runOptions: Said<string>[];
  /** Advice, with its place. */
  notes: { at: ReturnType<typeof locationOf>; text: string }[];
}

const mostLayers = 40;

/** Runs a build file, and turns what it asks for into a chain of layers. Throws a Failure on what it cannot. */
export function readEnvd(request: EnvdRequest): EnvdBuild {
  const collected = collect(request, request.files);
  const foundation = foundationOf(collected, request.images);
  const setting: Setting = {
    collected,
    foundation,
    context: request.context,
    files: request.files,
    table: request.images,
    folders: new Set(standardFolders),
  };
  const ordered = inOrder(collected, request.order, foundation.python.kind !== 'own');
  const steps = foundation.language === 'r' ? withR(collected, ordered) : ordered;
  const groups = groupsOf(steps);
  const running = inOneLine(collected.span, () => runningOf(collected));
  // What the image says of itself changes without what is in it: it has a layer of its own above an environment.
  if (groups.length === 0 || (running.length > 0 && groups.at(-1)!.kind !== 'code'))
    groups.push({ kind: 'code', steps: [] });
  if (groups.length > mostLayers) {
    const { span } = groups[mostLayers]!.steps[0] ?? collected;
    throw wrong(
      span,
      `this makes ${groups.length} layers`,
      'put steps of one kind side by side, or write order: envd-v1',
    );
  }
  const suffixes = suffixesOf(groups);
  let hasR = false;
  const layers = groups.map((group, index): EnvdLayer => {
    const begin = collected.base ?? { call: request.function, span: collected.span };
    const from = index === 0 ? foundation.image : request.imageOf(suffixes[index - 1]!);
    const writer = new Writer(request);
    writer.add(`FROM ${from}`, begin.call, begin.span);
    for (const step of group.steps) {
      if (!hasR && step.kind === 'r') {
        writer.add(installR(setting), step.call, step.span);
        hasR = true;
      }
      const made = inOneLine(step.span, () => instructionsOf(step, setting));
      for (const text of made) writer.add(text, step.call, step.span);
    }
    if (index === groups.length - 1) for (const { text, call, span } of running) writer.add(text, call, span);
    return { suffix: suffixes[index]!, dockerfile: writer.finish() };
  });
  return { layers, runOptions: collected.runOptions, notes: notesOf(groups, request.order) };
}

function inOneLine<T>(span: Span, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof LineEnd)) throw error;
    throw wrong(span, 'a text of it has more than one line, which a Dockerfile cannot say', 'write it in one line');
  }
}

/** R, where `base` asks for it and no step does. */
function withR({ base, span }: Collected, steps: readonly Step[]): Step[] {
  if (steps.some(({ kind }) => kind === 'r')) return [...steps];
  return [{ kind: 'r', packages: [], call: base?.call ?? 'build', span: base?.span ?? span }, ...steps];
}

/** The last has none: it is what the whole is called. */
function suffixesOf(groups: readonly Group[]): string[] {
  return groups.map(({ kind }, index) => {
    if (index === groups.length - 1) return '';
    const before = groups.slice(0, index).filter((other) => other.kind === kind).length;
    return before === 0 ? kind : `${kind}-${before + 1}`;
  });
}

function notesOf(groups: readonly Group[], order: Order): EnvdBuild['notes'] {
  const code = groups.findIndex(({ kind }) => kind === 'code');
  if (order !== 'written' || code < 0) return [];
  const after = groups.slice(code + 1).flatMap(({ kind, steps }) => (kind === 'code' ? [] : steps.slice(0, 1)));
  return after.map(({ call, span }) => ({
    at: locationOf(span),
    text: `${call} stands after code is copied, so a change of the code builds it anew: move it up, or write order: envd-v1`,
  }));
}

/** Puts a Dockerfile together, with the calls that its lines come from. */
class Writer {
  readonly #lines: string[];
  readonly #origins: Origin[] = [];
  #last = '';

  constructor({ file, function: name }: EnvdRequest) {
    this.#lines = [`# Made by imgbuild from ${file}${name === 'build' ? '' : `, function ${name}`}.`];
  }

  add(text: string, call: string, span: Span): void {
    const at = locationOf(span);
    const comment = `# ${at.file}:${at.line} ${call}`;
    if (comment !== this.#last) this.#lines.push(comment);
    this.#last = comment;
    const first = this.#lines.length + 1;
    this.#lines.push(...text.split('\n'));
    this.#origins.push({ name: call, at, lines: [first, this.#lines.length] });
  }

  finish(): GeneratedDockerfile {
    return { text: `${this.#lines.join('\n')}\n`, origins: this.#origins };
  }
}
