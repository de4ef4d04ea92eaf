import type { Plan, PlannedLayer } from '../plan/plan.ts';
import type { Style } from './failure.ts';
import { describeReason } from './reason.ts';

interface Row {
  indent: string;
  layer: PlannedLayer;
}

/** Each layer once, below the first of its parents; platforms one after the other. */
function treeRows(layers: readonly PlannedLayer[]): Row[] {
  const rows: Row[] = [];
  const children = (parent: PlannedLayer | undefined, platform: string) =>
    layers.filter((layer) => layer.platform === platform && layer.parents[0] === parent?.name);
  const visit = (layer: PlannedLayer, indent: string, branch: string): void => {
    rows.push({ indent: indent + branch, layer });
    const below = children(layer, layer.platform);
    const inner = branch === '' ? indent : indent + (branch === '└─ ' ? '   ' : '│  ');
    for (const [index, child] of below.entries()) visit(child, inner, index === below.length - 1 ? '└─ ' : '├─ ');
  };
  for (const platform of new Set(layers.map((layer) => layer.platform))) {
    for (const root of children(undefined, platform)) visit(root, '', '');
  }
  return rows;
}

function outcome(layer: PlannedLayer, style: Style): string {
  const shown = layer.reasons.slice(0, 3).map(describeReason);
  const more = layer.reasonCount - shown.length;
  const why = `${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  if (layer.action === 'build') return `${style.yellow('build')}  ${why}`;
  const saved = `${style.green('reuse')}  ${style.dim(`${layer.digest?.slice(0, 19)}`)}`;
  return why === '' ? saved : `${saved}  ${why}`;
}

/** The chain as a tree, one line a layer: reuse or build, and why. */
export function renderPlan(plan: Plan, style: Style): string {
  const rows = treeRows(plan.layers);
  const several = new Set(plan.layers.map((layer) => layer.platform)).size > 1;
  const label = ({ indent, layer }: Row) => `${indent}${layer.name}${several ? ` ${layer.platform}` : ''}`;
  const width = Math.max(0, ...rows.map((row) => label(row).length));
  const lines = rows.map((row) => `${label(row).padEnd(width)}  ${outcome(row.layer, style)}`);
  const build = plan.layers.filter((layer) => layer.action === 'build').length;
  const total = plan.layers.length;
  const summary =
    build === 0 ? `nothing to build, ${total} reused` : `${build} of ${total} to build, ${total - build} reused`;
  return [...lines, '', `${style.bold(summary)}  ${style.dim(plan.store)}`, ''].join('\n');
}
