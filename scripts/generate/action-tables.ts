/** action.yml, as far as the tables need it. */
export interface ActionMetadata {
  name: string;
  description: string;
  inputs?: Record<string, { description: string; required?: boolean; default?: string }>;
  outputs?: Record<string, { description: string }>;
}

/** The inputs and outputs of an action as Markdown. */
export function actionTables({ inputs = {}, outputs = {} }: ActionMetadata): string {
  const inputRows = Object.entries(inputs).map(([name, input]) => [
    `\`${name}\``,
    input.required ? '**required**' : defaultOf(input.default),
    cell(input.description),
  ]);
  const outputRows = Object.entries(outputs).map(([name, output]) => [`\`${name}\``, cell(output.description)]);
  return [
    '## Inputs',
    '',
    table(['Name', 'Default', 'Meaning'], inputRows),
    '',
    '## Outputs',
    '',
    table(['Name', 'Meaning'], outputRows),
    '',
  ].join('\n');
}

/** Puts `content` between `<!-- begin <mark> -->` and `<!-- end <mark> -->`; throws where they are missing. */
export function replaceBetween(text: string, mark: string, content: string, file: string): string {
  const begin = `<!-- begin ${mark}: generated -->`;
  const end = `<!-- end ${mark} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}

function defaultOf(value: string | undefined): string {
  return value === undefined || value === '' ? '' : `\`${value}\``;
}

function cell(text: string): string {
  return text.trim().replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
