import { posix } from 'node:path';
import { didYouMean } from '../../config/did-you-mean.ts';
import { Failure } from '../../failure.ts';
import { NotLocal, type LocalFiles } from '../local-files.ts';
import { Evaluation } from '../starlark/evaluate.ts';
import { parseStarlark } from '../starlark/parse.ts';
import { SourceText, wrong, type Span } from '../starlark/source.ts';
import { isObject, type Call, type Module, type Value } from '../starlark/values.ts';
import { functions } from './functions.ts';
import { Given } from './parameters.ts';
import type { Base, Collected } from './steps.ts';
import { unsupported } from './unsupported.ts';

const modules = ['install', 'config', 'io', 'runtime', 'data'];
const mostSteps = 1000;

export interface BuildFile {
  /** Relative to the project's root. */
  file: string;
  function: string;
}

/** Runs the function of a build file, and says what it asked for. Throws a Failure with its place on what is wrong. */
export function collect({ file, function: name }: BuildFile, files: LocalFiles): Collected {
  const source = sourceOf(file, files);
  const start: Span = { source, start: 0, end: 1 };
  const collected = nothing(versionOf(source), start);
  const world = new World(files, collected);
  const globals = world.run(source);
  const called = globals.get(name);
  if (called === undefined || !isObject(called, 'function')) {
    const known = [...globals].flatMap(([key, value]) => (isObject(value, 'function') ? [key] : []));
    const near = didYouMean(name, known) ?? known[0];
    const fix = near === undefined ? `write def ${name}():` : `write envd: ${file}:${near} for the function ${near}`;
    throw wrong(start, `${file} has no function ${name}`, fix);
  }
  collected.span = spanOf(source, name) ?? start;
  world.call(called, { positional: [], named: new Map(), span: collected.span });
  return collected;
}

function sourceOf(file: string, files: LocalFiles): SourceText {
  try {
    return new SourceText(file, files.read(file));
  } catch (error) {
    if (!(error instanceof NotLocal)) throw error;
    throw new Failure({
      doing: `reading ${file}`,
      because: error.message,
      fix: error.fix,
      kind: 'input',
      cause: error,
    });
  }
}

/** `# syntax=v1` in the first line. */
function versionOf({ text }: SourceText): 0 | 1 {
  return /^(?:\uFEFF)?#\s*syntax\s*=\s*v1\b/.test(text) ? 1 : 0;
}

/** Where a function is defined. */
function spanOf(source: SourceText, name: string): Span | undefined {
  const found = new RegExp(`^def[ \\t]+(${name})\\b`, 'm').exec(source.text);
  if (!found) return undefined;
  const start = found.index + found[0].length - name.length;
  return { source, start, end: start + name.length };
}

function nothing(version: 0 | 1, span: Span): Collected {
  return {
    version,
    span,
    base: undefined,
    python: undefined,
    conda: false,
    cuda: undefined,
    steps: [],
    aptSource: undefined,
    pipIndex: undefined,
    condaChannel: undefined,
    cranMirror: undefined,
    juliaServer: undefined,
    owner: undefined,
    entrypoint: undefined,
    daemons: undefined,
    init: undefined,
    environ: [],
    paths: [],
    ports: [],
    labels: [],
    runOptions: [],
  };
}

/** The functions of envd, which a build file calls. */
class World {
  readonly #files: LocalFiles;
  readonly #collected: Collected;
  readonly #evaluation: Evaluation;
  /** By path; undefined while the file is being run. */
  readonly #included = new Map<string, Module | undefined>();

  constructor(files: LocalFiles, collected: Collected) {
    this.#files = files;
    this.#collected = collected;
    const world = new Map<string, Value>();
    for (const name of modules) world.set(name, this.#module(name));
    for (const name of Object.keys(functions)) if (!name.includes('.')) world.set(name, this.#function(name));
    for (const name of Object.keys(unsupported)) if (!name.includes('.')) world.set(name, refused(name));
    world.set('base', { kind: 'function', name: 'base', call: (call) => this.#base(call) });
    world.set('include', { kind: 'function', name: 'include', call: (call) => this.#include(call) });
    this.#evaluation = new Evaluation(world);
  }

  run(source: SourceText): Map<string, Value> {
    this.#included.set(source.file, undefined);
    return this.#evaluation.run(parseStarlark(source));
  }

  call(callee: Value, call: Call): void {
    this.#evaluation.call(callee, call);
  }

  #module(name: string): Module {
    const members = new Map<string, Value>();
    for (const full of Object.keys(functions)) {
      if (full.startsWith(`${name}.`)) members.set(full.slice(name.length + 1), this.#function(full));
    }
    return {
      kind: 'module',
      name,
      members,
      missing: (member, span) => {
        const full = `${name}.${member}`;
        if (Object.hasOwn(unsupported, full)) return notSupported(full, span);
        const near = didYouMean(member, members.keys());
        const known = members.size === 0 ? undefined : `it has ${[...members.keys()].join(', ')}`;
        return wrong(span, `envd has no ${full}`, near === undefined ? known : `did you mean ${name}.${near}?`);
      },
    };
  }

  #function(name: string): Value {
    const [signature, run] = functions[name]!;
    return {
      kind: 'function',
      name,
      call: (call) => {
        if (this.#collected.steps.length >= mostSteps) {
          throw wrong(call.span, `this has more than ${mostSteps} steps`, 'name several packages in one call');
        }
        run(new Given(name, signature, call), this.#collected);
        return null;
      },
    };
  }

  /** The versions of envd give its parameters in different orders. */
  #base(call: Call): Value {
    const signature = this.#collected.version === 1 ? 'image? dev? os? language?' : 'os? language? image? dev?';
    const given = new Given('base', signature, call);
    if (given.flag('dev')) {
      const because =
        'dev = True makes an environment to work in, with its own shell and servers, and imgbuild builds images that run services';
      throw wrong(given.spanOf('dev'), because, 'write dev = False, and name the programs that the service needs');
    }
    if (this.#collected.base) throw wrong(call.span, 'base is called twice', 'keep one of the two');
    const value: Base = { os: given.written('os'), language: given.written('language'), image: given.written('image') };
    if (value.os && value.image) {
      throw wrong(given.spanOf('os'), 'os and image name two bases', 'keep one of the two');
    }
    this.#collected.base = { value, call: 'base', span: call.span };
    return null;
  }

  /** A file of the project, relative to the file that includes it. */
  #include(call: Call): Value {
    const path = new Given('include', 'git', call).written('git')!;
    if (/^[a-z+]+:\/\/|^git@/i.test(path.text)) {
      const fix = 'put its files into the repository (a git submodule, or a copy), and include them by their path';
      throw wrong(path.span, 'this would be fetched from elsewhere, and could be another tomorrow', fix);
    }
    const file = posix.normalize(posix.join(posix.dirname(path.span.source.file), path.text));
    if (this.#included.has(file)) {
      const done = this.#included.get(file);
      if (done) return done;
      throw wrong(path.span, `${file} includes itself`, 'take what both need into a third file');
    }
    let text: string;
    try {
      text = this.#files.read(file);
    } catch (error) {
      throw error instanceof NotLocal ? wrong(path.span, error.message, error.fix) : error;
    }
    const globals = this.run(new SourceText(file, text));
    const members = new Map([...globals].filter(([name]) => !name.startsWith('_')));
    const module: Module = { kind: 'module', name: file, members };
    this.#included.set(file, module);
    return module;
  }
}

function notSupported(name: string, span: Span): Failure {
  const { because, fix } = unsupported[name]!;
  return wrong(span, `${name} is not supported: ${because}`, fix);
}

function refused(name: string): Value {
  return {
    kind: 'function',
    name,
    call({ span }) {
      throw notSupported(name, span);
    },
  };
}
