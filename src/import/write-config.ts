import type { ForeignLayer, ForeignProject } from './foreign-tree.ts';

/** imgbuild.yaml for a tree, with comments that say where each part comes from. */
export function configText(project: string, kind: string, { layers, direct, top = {} }: ForeignProject): string {
  const lines = [
    `# What this tree (${kind}) amounts to. Every key: docs/configuration.md of imgbuild.`,
    ...(direct.length > 0 ? ['# To keep the tree as the source, write instead:'] : []),
    ...direct.map((line) => `#   ${line}`),
    'version: 1',
    `name: ${project}`,
    '',
    '# Where built images are kept. A folder is yours alone; a registry is shared by all who may read it.',
    '# store: ghcr.io/OWNER/REPOSITORY',
    '',
    ...Object.entries(top).map(([key, value]) => `${key}: ${JSON.stringify(value)}`),
    'layers:',
    ...layers.flatMap(layerLines),
  ];
  return `${lines.join('\n')}\n`;
}

function layerLines({ name, context, dockerfile, image, others, comments }: ForeignLayer): string[] {
  const keys: [string, unknown][] = [
    ['context', context],
    ['dockerfile', dockerfile],
    ['image', image],
    ...Object.entries(others),
  ];
  return [
    ...comments.map((comment) => `  # ${comment.replaceAll(/\s+/g, ' ')}`),
    `  ${name}:`,
    ...keys.map(([key, value]) => `    ${key}: ${typeof value === 'string' ? scalar(value) : JSON.stringify(value)}`),
  ];
}

/** Plain where YAML reads it as the same text, else in double quotes. */
function scalar(text: string): string {
  const plain = /^[A-Za-z./][A-Za-z0-9_./-]*(:[A-Za-z0-9_.-]+)?$/.test(text);
  const word = /^(true|false|null|yes|no|on|off|y|n|~|\.+|\.(inf|nan))$/i.test(text) && text !== '.';
  return plain && !word ? text : JSON.stringify(text);
}
