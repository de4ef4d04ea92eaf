import { inputLine, type Input } from '../plan/input.ts';
import type { PlannedBuild } from '../plan/plan-layers.ts';
import type { Style } from './failure.ts';
import { describeReason } from './reason.ts';

/** One input in words; the same form for all of a kind, so that a list of them can be scanned. */
function describeInput(input: Input): string {
  switch (input.kind) {
    case 'file':
      return `${input.mode} ${input.hash.slice(0, 12)} ${input.path}`;
    case 'instruction':
      return `stage ${input.stage}: ${[input.text, ...(input.heredocs ?? [])].join(' ⏎ ')}`;
    case 'directive':
      return `# ${input.name}=${input.value}`;
    case 'arg':
      return `${input.name}=${input.value ?? '(unset)'} (${input.stage === 'global' ? 'global' : `stage ${input.stage}`})`;
    case 'base':
      return `${input.reference} ${input.digest}`;
    case 'parent':
      return `${input.layer} ${input.fingerprint.slice(0, 12)}`;
    case 'onbuild':
      return `of ${input.of}: ${input.text}`;
    case 'mount':
      return [input.type, input.id, input.text].filter((part) => part !== '').join(' ');
    case 'label':
      return `${input.name}=${input.value}`;
    case 'remote':
      return `${input.url} ${input.checksum ?? '(no checksum)'}`;
    case 'package':
      return [input.mode, input.sha256.slice(0, 12), input.path].filter(Boolean).join(' ');
    case 'prepare-file':
      return `${input.mode} ${input.hash.slice(0, 12)} ${input.path}`;
    case 'prepare':
      return `${input.run.join(' ')} → ${[...input.outputs, ...input.env].join(' ')}`;
    case 'tool':
      return `${input.name} ${input.version}`;
    case 'platform':
    case 'target':
    case 'epoch':
      return input.value;
  }
}

function row(mark: string, input: Input): string {
  return `${mark} ${input.kind.padEnd(11)} ${describeInput(input).split('\n').join(' ⏎ ')}`;
}

/** By kind, files by their paths. */
function orderOf(input: Input): string {
  return input.kind === 'file' ? `file ${input.path}` : `${input.kind} ${describeInput(input)}`;
}

/**
 * The whole input list of a layer: ` ` as in the image that it is compared with, `+` new or changed, `-` gone. Without
 * a former image every line is new.
 */
export function renderExplanation(build: PlannedBuild, style: Style): string {
  const { planned, former, inputs, reasons } = build;
  const old = new Map((former?.inputs ?? []).map((input) => [inputLine(input), input]));
  const now = new Map(inputs.inputs.map((input) => [inputLine(input), input]));
  const kept = (line: string) => former === undefined || old.has(line);
  const lines = [...now.keys(), ...[...old.keys()].filter((line) => !now.has(line))].toSorted((a, b) => {
    const [x, y] = [a, b].map((line) => orderOf((now.get(line) ?? old.get(line))!));
    // What a file was stands above what it is.
    return x! < y! ? -1 : x! > y! ? 1 : Number(now.has(a)) - Number(now.has(b));
  });
  const rows = lines.map((line) => {
    if (!now.has(line)) return style.red(row('-', old.get(line)!));
    const input = now.get(line)!;
    return kept(line) ? row(' ', input) : style.green(row('+', input));
  });
  const saved = planned.action === 'reuse' ? [`saved as ${planned.digest}`] : [];
  const compared = former === undefined ? [] : [`compared with ${former.digest}`];
  const none = saved.length + compared.length === 0 ? ['nothing saved to compare with'] : [];
  return [
    `${style.bold(planned.name)} ${planned.platform}: ${[planned.action, ...saved, ...compared, ...none].join(', ')}`,
    `fingerprint ${planned.fingerprint}`,
    ...reasons.map((reason) => `  ${describeReason(reason)}`),
    '',
    ...rows,
    '',
  ].join('\n');
}
