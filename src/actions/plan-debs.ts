import * as core from '@actions/core';
import { planPackages, type PackageFate } from '../project/plan-packages.ts';
import type { Project } from '../project/open.ts';
import { tableSummary } from '../report/github-summary.ts';
import { formatBytes } from '../report/progress.ts';
import { describeReason } from '../report/reason.ts';
import type { ActionContext } from './action.ts';

type Options = Omit<Parameters<typeof planPackages>[1], 'progress' | 'signal'>;

/** The dry run of build-debs: which packages have to be packed and why, and the matrix that shares them out. */
export async function planDebs(context: ActionContext, project: Project, options: Options): Promise<void> {
  const { progress, signal } = context;
  const { packages, legs } = await planPackages(project, { ...options, progress, signal });
  const packed = packages.filter(({ action }) => action === 'pack').map(({ name }) => name);
  core.setOutput('to-pack', JSON.stringify([...new Set(packed)]));
  core.setOutput('matrix', JSON.stringify({ include: legs }));
  core.setOutput('has-work', String(legs.length > 0));
  const rows = packages.map(({ name, version, architecture, bytes, ...fate }) => {
    const size = bytes === null ? '' : formatBytes(bytes);
    return { cells: [name, fate.action === 'reuse' ? fate.since : version, architecture, size, describe(fate)] };
  });
  for (const { cells } of rows) core.info(`${cells.slice(0, 3).join(' ')}: ${cells[4]}`);
  const header = ['Package', 'Version', 'Architecture', 'Files', ''];
  const runners = legs.length === 0 ? '' : `Packed on ${legs.length} runners of their own.`;
  await context.summary(tableSummary('Debian packages to pack', header, rows, runners));
}

const whyLater = {
  image: 'packed when its image is built',
  build: 'dpkg-buildpackage makes it',
} as const;

function describe(fate: PackageFate): string {
  if (fate.action === 'reuse') return `unchanged since ${fate.since}`;
  if (fate.action === 'later') return whyLater[fate.because];
  const [first, ...more] = fate.reasons;
  return `packed: ${describeReason(first!)}${more.length === 0 ? '' : ` and ${more.length} more`}`;
}
