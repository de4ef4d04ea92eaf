/** A fenced block that a reader would copy into a shell. */
export interface ShellBlock {
  /** The line of its fence, from 1. */
  line: number;
  script: string;
}

/** The blocks of a Markdown text that are fenced as `sh`. Other fences (console output, workflows) are not run. */
export function shellBlocks(markdown: string): ShellBlock[] {
  const blocks: ShellBlock[] = [];
  let open: { line: number; fence: string; lines: string[]; shell: boolean } | undefined;
  for (const [index, text] of markdown.split('\n').entries()) {
    const fence = /^(`{3,})(.*)$/.exec(text);
    if (open === undefined) {
      if (fence) open = { line: index + 1, fence: fence[1]!, lines: [], shell: fence[2]!.trim() === 'sh' };
    } else if (fence && fence[2] === '' && fence[1]!.length >= open.fence.length) {
      if (open.shell) blocks.push({ line: open.line, script: open.lines.join('\n') });
      open = undefined;
    } else {
      open.lines.push(text);
    }
  }
  return blocks;
}
