import path from 'node:path';
import type { SourceLocation } from '../failure.ts';
import type { OtherInput } from '../plan/input.ts';
import type { Analysis, AnalysisOptions, FileSelection, ImageTraits } from './analysis.ts';
import { heredocOf } from './heredoc.ts';
import { triggersOfStage } from './images.ts';
import {
  flagSet,
  flagValue,
  flagValues,
  heredocBodies,
  instructionText,
  wordsOf,
  type Instruction,
} from './instruction.ts';
import { mountId } from './mount.ts';
import { beginningOf, commandText, passedOver, scriptsOf } from './installers.ts';
import { copyFrom, mountsOf, type NeededStage, type Step } from './needed.ts';
import type { Dockerfile } from './parse.ts';
import { fetchedBy, packageUrl, stepCommands, type PackageUse } from './packages.ts';
import { isChecksum, remoteSource } from './remote.ts';
import { argPair, reject, type Stages } from './stages.ts';
import { copyOf, evaluate, noTraits, setVariable, variablesOf, type Variables, type Word } from './variables.ts';

/** Flags whose meaning is known here; another one may change what is read. */
const knownFlags: Record<string, readonly string[]> = {
  ADD: ['chown', 'chmod', 'link', 'keep-git-dir', 'checksum', 'unpack', 'exclude'],
  COPY: ['chown', 'chmod', 'link', 'from', 'parents', 'exclude'],
  RUN: ['mount', 'network', 'security', 'device'],
};

/** Goes through the needed stages in order and collects what they read. */
export class StageReader {
  readonly inputs: OtherInput[] = [];
  readonly files: FileSelection[] = [];
  readonly packages: PackageUse[] = [];
  readonly ignoredFailures: Analysis['ignoredFailures'] = [];
  readonly scripts: Analysis['scripts'] = [];
  readonly unresolved: Analysis['unresolved'] = [];
  readonly unpinned: Analysis['unpinned'] = [];
  readonly declared = new Set<string>();
  readonly #dockerfile: Dockerfile;
  readonly #options: AnalysisOptions;
  readonly #stages: Stages;
  readonly #positions: Map<number, number>;
  readonly #after = new Map<number, Variables>();

  constructor(dockerfile: Dockerfile, options: AnalysisOptions, stages: Stages, needed: readonly NeededStage[]) {
    this.#dockerfile = dockerfile;
    this.#options = options;
    this.#stages = stages;
    this.#positions = new Map(needed.map(({ stage, position }) => [stage.index, position]));
  }

  readStage({ stage, position, traits, steps }: NeededStage): void {
    const { base } = stage;
    const before = base.kind === 'stage' ? this.#after.get(base.stage.index) : undefined;
    const variables = before ? copyOf(before) : variablesOf(base.kind === 'scratch' ? noTraits : traits);
    const from = instructionText(stage.from, ({ value }) => value);
    this.inputs.push({ kind: 'instruction', stage: position, seq: 0, text: from });
    const of =
      base.kind === 'image' ? base.reference : base.kind === 'stage' ? `#${this.#positions.get(base.stage.index)}` : '';
    let own = 0;
    let triggered = 0;
    for (const step of steps) {
      const text = this.#text(step);
      if (step.triggered) {
        this.inputs.push({
          kind: 'onbuild',
          of,
          seq: triggered++,
          text: [text, ...heredocBodies(step.instruction)].join('\n'),
        });
      } else {
        const heredocs = heredocBodies(step.instruction);
        const bodies = heredocs.length === 0 ? {} : { heredocs };
        this.inputs.push({ kind: 'instruction', stage: position, seq: ++own, text, ...bodies });
      }
      this.#readStep(step, variables, position);
    }
    this.#after.set(stage.index, variables);
  }

  traits(target: Stages['target']): ImageTraits {
    const { image, workdir } = this.#after.get(target.index)!;
    const onbuild = triggersOfStage(target);
    const env = [...image].map(([name, value]) => `${name}=${value}`);
    return { env, ...(workdir === undefined ? {} : { workdir }), onbuild };
  }

  /** A stage's place in the file changes when stages that nobody needs come and go: its place among the needed stays. */
  #text({ instruction, froms }: Step): string {
    if (instruction.operands.form === 'trigger') return instructionText(instruction, ({ value }) => value);
    return instructionText(instruction, ({ name, value }) => {
      const source = name === 'from' && value !== undefined && /^[+-]?\d+$/.test(value) ? froms.get(value) : undefined;
      return source?.kind === 'stage' ? `#${this.#positions.get(source.stage.index)}` : value;
    });
  }

  #readStep(step: Step, variables: Variables, position: number): void {
    const { instruction } = step;
    switch (instruction.keyword) {
      case 'ARG':
        return this.#readArg(instruction, variables, position);
      case 'ENV':
        return this.#readEnv(instruction, variables);
      case 'WORKDIR': {
        const word = instruction.operands.form === 'text' ? instruction.operands.text : '';
        const { text } = evaluate(this.#dockerfile, instruction, word, variables);
        variables.workdir = path.posix.resolve('/', variables.workdir ?? '/', text);
        return;
      }
      case 'COPY':
      case 'ADD':
        this.#readFlags(instruction);
        if (copyFrom(instruction) === undefined) this.#readSources(instruction, variables);
        else this.#readPackagesCopy(step, variables);
        return;
      case 'RUN':
        this.#readFlags(instruction);
        this.#readMounts(step, variables);
        this.#readCommands(step, variables);
        return;
    }
  }

  #readArg(instruction: Instruction, variables: Variables, position: number): void {
    for (const pair of wordsOf(instruction)) {
      const { name, value: fallback } = argPair(pair);
      this.declared.add(name);
      const given = Object.hasOwn(this.#options.args, name) ? this.#options.args[name] : undefined;
      let word: Word | undefined;
      if (given !== undefined) word = { text: given, doubtful: false };
      else if (fallback !== undefined) word = evaluate(this.#dockerfile, instruction, fallback, variables);
      else {
        const inherited = this.#stages.globals.get(name)?.value;
        if (inherited !== undefined) word = { text: inherited, doubtful: false };
      }
      this.inputs.push({ kind: 'arg', stage: position, name, value: word?.text ?? null });
      if (word) setVariable(variables, name, word);
    }
  }

  #readEnv(instruction: Instruction, variables: Variables): void {
    if (instruction.operands.form !== 'pairs') return;
    // All of one ENV's values see the variables as they were before it.
    const pairs = instruction.operands.pairs.map(({ name, value }) => ({
      name: evaluate(this.#dockerfile, instruction, name, variables).text,
      value: evaluate(this.#dockerfile, instruction, value, variables),
    }));
    for (const { name, value } of pairs) {
      setVariable(variables, name, value);
      variables.image.set(name, value.text);
    }
  }

  #readFlags(instruction: Instruction): void {
    const { keyword, flags } = instruction;
    for (const { name } of flags) {
      if (knownFlags[keyword]!.includes(name)) continue;
      const at = this.#dockerfile.locate(instruction, `--${name}`);
      this.unresolved.push({ at, why: `imgbuild does not know what ${keyword} --${name} reads` });
    }
  }

  #readSources(instruction: Instruction, variables: Variables): void {
    const { keyword } = instruction;
    const via = keyword === 'ADD' ? 'add' : 'copy';
    const parents = flagSet(instruction, 'parents');
    const patterns: string[] = [];
    const places: SourceLocation[] = [];
    const sources = wordsOf(instruction).slice(0, -1);
    const pin = flagValue(instruction, 'checksum') ?? '';
    const { text: checksum, doubtful: unsure } = evaluate(this.#dockerfile, instruction, pin, variables);
    for (const source of sources) {
      if (instruction.operands.form === 'words' && heredocOf(source)) continue;
      const at = this.#dockerfile.locate(instruction, source);
      const { text, doubtful } = evaluate(this.#dockerfile, instruction, source, variables);
      if (doubtful) {
        this.unresolved.push({ at, why: `${source} depends on variables of an image that is not known` });
        continue;
      }
      const remote = remoteSource(text, checksum);
      if (!remote) {
        // With --parents the place of `/./` decides where the copied paths begin.
        patterns.push(parents ? text : contextPath(text));
        places.push(at);
        continue;
      }
      if (via === 'copy') {
        reject(this.#dockerfile, instruction, source, `COPY can't fetch ${remote.url}`, 'use ADD');
      }
      if (checksum !== '' && !unsure && !isChecksum(checksum, remote.kind)) {
        const fix = remote.kind === 'git' ? "write the commit's hex digits" : 'write sha256: and 64 hex digits';
        reject(this.#dockerfile, instruction, pin, `${checksum} is no checksum`, fix);
      }
      this.inputs.push({ kind: 'remote', url: remote.url, checksum: remote.pin ?? null });
      const served = this.#options.packages && packageUrl(remote.url, this.#options.packages);
      if (served) this.packages.push({ via: 'url', address: served.address, patterns: [served.path], at });
      else if (remote.pin === undefined) this.unpinned.push({ url: remote.url, at });
    }
    if (patterns.length === 0) return;
    this.files.push({
      via,
      patterns,
      excludes: flagValues(instruction, 'exclude'),
      parents,
      at: this.#dockerfile.locate(instruction, sources[0]),
      places,
    });
  }

  /** COPY --from=packages. */
  #readPackagesCopy({ instruction, froms }: Step, variables: Variables): void {
    if (froms.get(copyFrom(instruction)!)?.kind !== 'packages') return;
    for (const source of wordsOf(instruction).slice(0, -1)) {
      const at = this.#dockerfile.locate(instruction, source);
      const { text, doubtful } = evaluate(this.#dockerfile, instruction, source, variables);
      const pattern = doubtful ? '' : contextPath(text);
      this.packages.push({ via: 'copy', patterns: [pattern === '.' ? '' : pattern], at });
    }
  }

  /** What a step fetches from where the packages folder is expected, and whether it notices that an installer fails. */
  #readCommands({ instruction, triggered }: Step, variables: Variables): void {
    const { packages, platform } = this.#options;
    if (packages === undefined) return;
    const commands = stepCommands(instruction, variables, platform);
    const uses = fetchedBy(this.#dockerfile, instruction, commands, { ...packages, platform }, triggered);
    this.packages.push(...uses);
    const place = (word: string) => (triggered ? instruction.at : this.#dockerfile.locate(instruction, word));
    for (const command of passedOver(commands)) {
      this.ignoredFailures.push({ at: place(beginningOf(command)), command: commandText(command) });
    }
    for (const { command, script } of scriptsOf(commands))
      this.scripts.push({ at: place(beginningOf(command)), script });
  }

  #readMounts({ instruction, froms }: Step, variables: Variables): void {
    const written = flagValues(instruction, 'mount');
    let doubtful = false;
    const value = (text: string) => {
      const word = evaluate(this.#dockerfile, instruction, text, variables);
      doubtful ||= word.doubtful;
      return word.text;
    };
    const mounts = mountsOf(this.#dockerfile, instruction, value);
    for (const [index, mount] of mounts.entries()) {
      const at = this.#dockerfile.locate(instruction, written[index]);
      if (mount.type === 'bind') {
        if (mount.from !== undefined) {
          if (froms.get(mount.from)?.kind !== 'packages') continue;
          const source = doubtful ? '.' : contextPath(mount.source);
          this.packages.push({ via: 'mount', patterns: [source === '.' ? '' : source], at });
        } else if (doubtful) {
          this.unresolved.push({ at, why: 'a bind mount depends on variables of an image that is not known' });
        } else {
          this.files.push({ via: 'mount', patterns: [contextPath(mount.source)], excludes: [], parents: false, at });
        }
      } else {
        this.inputs.push({ kind: 'mount', type: mount.type, id: mountId(mount), text: written[index]! });
      }
    }
  }
}

/** As BuildKit cleans a source: from the context's root, `..` cannot leave it. `.` is the root. */
function contextPath(source: string): string {
  return path.posix.join('/', source).replace(/^\/+|\/+$/g, '') || '.';
}
