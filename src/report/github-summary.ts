import type { DeltaReport } from '../delta/make.ts';
import type { Decoder } from '../delta/prove.ts';
import type { Plan, PlannedLayer } from '../plan/plan.ts';
import type { BuiltLayer } from '../build/event.ts';
import type { PublishedBundle } from '../release/publish-bundle.ts';
import { code, count, sections, table, text } from './github-markdown.ts';
import { formatBytes, formatSeconds } from './progress.ts';
import { describeReason } from './reason.ts';

/** Beyond this a picture helps no one, and GitHub's Mermaid stops drawing (500 edges, 50,000 characters). */
const mostPictured = 60;

/** How many reasons a table cell holds; all of them stand below it. */
const reasonsInCell = 2;

export type BuildRow = Pick<BuiltLayer, 'name' | 'platform' | 'outcome' | 'digest' | 'seconds'>;

/** In bytes. `moved`: sent to or read from the store; `saved`: what a run without a store would have moved too. */
export interface Traffic {
  moved: number;
  saved: number;
}

/** The plan as a page: one line that tells it all, a table, the chain as a picture, every reason. Markdown. */
export function planSummary(plan: Plan): string {
  const building = plan.layers.filter((layer) => layer.action === 'build');
  const title =
    building.length === 0
      ? `Nothing to build: ${count(plan.layers.length, 'layer')} reused`
      : `${building.length} of ${count(plan.layers.length, 'layer')} to build`;
  const rows = plan.layers.map((layer) => [
    code(layer.name),
    text(layer.platform),
    layer.action === 'build' ? '**build**' : 'reuse',
    layer.action === 'build' ? whyIn(layer) : code(layer.digest?.slice(7, 19) ?? ''),
  ]);
  return sections([
    `### ${title}`,
    `Store: ${code(plan.store)}`,
    table(['Layer', 'Platform', 'Action', 'Why, or the saved image'], rows),
    picture(plan.layers),
    reasonsBelow(building),
    plan.warnings.length === 0
      ? ''
      : ['**Warnings**', '', ...plan.warnings.map((line) => `- ${text(line)}`)].join('\n'),
  ]);
}

/** What a build did: a line for each layer, the time, and the bytes that the store saved. Markdown. */
export function buildSummary(layers: readonly BuildRow[], traffic: Traffic): string {
  const built = layers.filter((layer) => layer.outcome !== 'reused').length;
  const rows = layers.map((layer) => [
    code(layer.name),
    text(layer.platform),
    layer.outcome,
    layer.outcome === 'reused' ? '' : formatSeconds(layer.seconds),
    code(layer.digest.slice(7, 19)),
  ]);
  return sections([
    `### ${count(built, 'layer')} built, ${layers.length - built} reused`,
    table(['Layer', 'Platform', 'Outcome', 'Time', 'Image'], rows),
    trafficLine(traffic),
  ]);
}

export function trafficLine({ moved, saved }: Traffic): string {
  return `Moved ${formatBytes(moved)}, saved ${formatBytes(saved)}.`;
}

/** What the deltas hold, filesystem layer by filesystem layer, against what a pull would move. Markdown. */
export interface SummarizedDelta extends DeltaReport {
  platform: string;
  /** Name of the page that shows what is in it. */
  page: string;
  /** What would make it smaller. */
  advice: string[];
  /** Where it was put besides the file; nowhere unless that was asked for. */
  published: readonly PublishedBundle[];
}

/** Shown at most; the page has all. */
const adviceShown = 10;

export function deltaSummary(deltas: readonly SummarizedDelta[]): string {
  return sections(
    deltas.flatMap((delta) => {
      const saved = delta.pullBytes - delta.bytes;
      const rows = delta.images.flatMap((image) =>
        image.layers.map((layer) => [
          code(image.reference ?? image.config.slice(7, 19)),
          code(layer.diffId.slice(7, 19)),
          layer.format === undefined ? layerKinds[layer.kind] : `${layerKinds[layer.kind]} (${layer.format})`,
          layer.kind === 'reused' ? '' : formatBytes(layer.bytes),
          layer.kind === 'reused' ? '' : formatBytes(layer.pullBytes),
        ]),
      );
      for (const { name, version, kind, bytes, pullBytes } of delta.packages) {
        const sizes = kind === 'reused' ? ['', ''] : [formatBytes(bytes), formatBytes(pullBytes)];
        rows.push([code(name), text(version), layerKinds[kind], ...sizes]);
      }
      return [
        `### ${text(delta.from)} → ${text(delta.to)} (${text(delta.platform)}): ${formatBytes(delta.bytes)}`,
        table(['Image, package', 'Filesystem layer, version', '', 'In the delta', 'In a pull'], rows),
        saved > 0 ? `A pull would move ${formatBytes(delta.pullBytes)}: ${formatBytes(saved)} saved.` : '',
        delta.signedBy === undefined ? '**Not signed.**' : `Signed by ${code(delta.signedBy)}.`,
        provenLine(delta.provenBy),
        delta.advice.length === 0
          ? ''
          : ['It would be smaller:', ...delta.advice.slice(0, adviceShown).map((one) => `- ${text(one)}`)].join('\n'),
        `What is in it, as a picture: ${code(delta.page)}, beside the delta.`,
        delta.published.length === 0
          ? ''
          : `Published as ${delta.published.map(({ reference }) => code(reference)).join(', ')}.`,
      ];
    }),
  );
}

/** Which decoder has applied the deltas of a release. Markdown. */
export function proofSummary(decoder: Decoder): string {
  return sections(['### Updates were applied before they were released', provenLine(decoder)]);
}

/** Which decoder has applied a delta, and on which engine: on none, so that no runner's Docker counts. */
function provenLine(decoder: Decoder): string {
  const how =
    'without an engine: every filesystem layer, and every package that goes as a delta, was made from the old release and compared';
  switch (decoder.name) {
    case 'imgbuild-ota':
      return `Applied by the device program of imgbuild ${text(decoder.version)} (sha256 ${code(decoder.sha256)}), ${how}.`;
    case 'imgbuild': {
      const why = decoder.because === undefined ? '' : ` Not by the device program: ${text(decoder.because)}.`;
      return `Applied by imgbuild's own decoder (TypeScript), ${how}.${why}`;
    }
  }
}

const layerKinds = { reused: 'on the device already', delta: 'as a delta', whole: 'whole' } as const;

export interface Row {
  cells: readonly string[];
}

/** A titled table of plain texts, for what is not a layer: tags, packages, deltas. Markdown. */
export function tableSummary(title: string, header: readonly string[], rows: readonly Row[], below = ''): string {
  return sections([
    `### ${text(title)}`,
    rows.length === 0
      ? ''
      : table(
          header,
          rows.map((row) => row.cells.map(text)),
        ),
    below,
  ]);
}

function whyIn(layer: PlannedLayer): string {
  const shown = layer.reasons.slice(0, reasonsInCell).map((reason) => text(describeReason(reason)));
  const more = layer.reasonCount - shown.length;
  return shown.join('<br>') + (more > 0 ? `<br>and ${more} more` : '');
}

function reasonsBelow(building: readonly PlannedLayer[]): string {
  const longer = building.filter((layer) => layer.reasonCount > reasonsInCell);
  return longer
    .map((layer) => {
      const lines = layer.reasons.map((reason) => `- ${text(describeReason(reason))}`);
      const more = layer.reasonCount - layer.reasons.length;
      if (more > 0) lines.push(`- and ${more} more; \`imgbuild plan --explain ${layer.name}\` shows them all`);
      const head = `<summary>Why ${code(layer.name)} (${text(layer.platform)}) is built</summary>`;
      return ['<details>', head, '', ...lines, '', '</details>'].join('\n');
    })
    .join('\n');
}

/** The chain as a Mermaid flowchart: what is built stands out. */
function picture(layers: readonly PlannedLayer[]): string {
  if (layers.length === 0 || layers.length > mostPictured) return '';
  const id = (layer: PlannedLayer) => `n${layers.indexOf(layer)}`;
  const several = new Set(layers.map((layer) => layer.platform)).size > 1;
  const nodes = layers.map((layer) => {
    const label = several ? `${layer.name}<br>${layer.platform}` : layer.name;
    return `  ${id(layer)}["${label.replaceAll('"', '#quot;')}"]:::${layer.action}`;
  });
  const edges = layers.flatMap((layer) =>
    layer.parents.flatMap((parent) => {
      const above = layers.find((other) => other.name === parent && other.platform === layer.platform);
      return above ? [`  ${id(above)} --> ${id(layer)}`] : [];
    }),
  );
  const styles = [
    '  classDef build fill:#fff3cd,stroke:#b58900,stroke-width:2px,color:#3b2f00',
    '  classDef reuse fill:#e6f4ea,stroke:#5f9b6b,color:#16361e',
  ];
  return ['```mermaid', 'flowchart LR', ...nodes, ...edges, ...styles, '```'].join('\n');
}
