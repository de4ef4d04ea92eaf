import type { Reason } from '../plan/plan.ts';

const shortDigest = (text: string) => text.replace(/^(sha256:)?([0-9a-f]{12})[0-9a-f]{52}$/, '$2');

function shorten(text: string, length = 60): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}

function valueText(value: string | null | undefined): string {
  return value === null || value === undefined ? '(unset)' : shorten(shortDigest(value), 40);
}

/**
 * What two texts differ in, with the word before it: of two long RUN lines only the end of one may differ, and that is
 * what a reader looks for. The instruction's name stays in front.
 */
function differing(from: string, to: string): [string, string] {
  let same = 0;
  while (same < Math.min(from.length, to.length) && from[same] === to[same]) same += 1;
  const start = from.slice(0, same).lastIndexOf(' ', same - 2) + 1;
  const name = from.indexOf(' ') + 1;
  if (start <= name || name > same) return [shorten(from, 40), shorten(to, 40)];
  const front = `${from.slice(0, name)}… `;
  return [front + shorten(from.slice(start), 40), `… ${shorten(to.slice(start), 40)}`];
}

function instructionText({ name, from, to, detail }: Reason): string {
  // Of what was made from another description, its own words.
  if (detail !== undefined) return `${detail} ${from == null ? 'added' : 'changed'}`;
  const of = name === undefined ? '' : `${name}: `;
  if (from == null) return `${of}${shorten(to ?? '')} added`;
  if (to == null) return `${of}${shorten(from)} removed`;
  return of + differing(from.replaceAll(/\s+/g, ' '), to.replaceAll(/\s+/g, ' ')).join(' → ');
}

/** One reason in the words of the people who read plans: "docker/service/app.py changed", "ARG OPENVINO: y → n". */
export function describeReason(reason: Reason): string {
  const { kind, path, name, from, to, detail } = reason;
  switch (kind) {
    case 'never-built':
      return detail ?? 'never built';
    case 'file-added':
      return `${path} added`;
    case 'file-changed':
      return `${path} changed`;
    case 'file-removed':
      return `${path} removed`;
    case 'mode-changed':
      return `${path}: mode ${from} → ${to}`;
    case 'instruction-changed':
      return instructionText(reason);
    case 'arg-changed':
      return `${detail ?? `ARG ${name}`}: ${valueText(from)} → ${valueText(to)}`;
    case 'base-changed':
      if (from == null) return `base ${name} is new`;
      if (to == null) return `base ${name} is gone`;
      return `base ${name} moved: ${valueText(from)} → ${valueText(to)}`;
    case 'parent-changed':
      return detail === undefined ? `parent ${name} changed` : `parent ${name} changed: ${detail}`;
    case 'platform-changed':
      return `platform: ${valueText(from)} → ${valueText(to)}`;
    case 'target-changed':
      return `${detail ?? 'target'}: ${valueText(from)} → ${valueText(to)}`;
    case 'mount-changed':
      return `mount ${name}: ${valueText(from)} → ${valueText(to)}`;
    case 'refresh':
      return `refresh: ${valueText(from)} → ${valueText(to)}`;
    case 'unpinned-source':
      return `ADD ${name} has no checksum, so it is always built`;
    case 'unresolved-source':
      return `a COPY source can't be known before the build, so the whole context counts${detail ? `: ${detail}` : ''}`;
    case 'saved-broken':
      return `the saved image is broken: ${detail}`;
    case 'tool-changed':
      return `${name}: ${valueText(from)} → ${valueText(to)}`;
    case 'forced':
      return 'forced';
  }
}
