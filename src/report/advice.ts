import type { Advice } from '../delta/advice.ts';
import { formatBytes } from './progress.ts';

const filesOf = (count: number) => (count === 1 ? 'one file' : `${count} files`);

/** What it is and what to do about it, in one line. */
export function adviceText(advice: Advice): string {
  const bytes = formatBytes(advice.bytes);
  switch (advice.kind) {
    case 'left-behind':
      return `/${advice.folder}: ${bytes} in ${filesOf(advice.files)}; remove it in the RUN that makes it`;
    case 'bytecode-times':
      return `/${advice.folder}: ${bytes} of compiled Python that differs by its times only; set SOURCE_DATE_EPOCH for the step that compiles it, or PYTHONDONTWRITEBYTECODE=1`;
    case 'only-times':
      return `filesystem layer ${advice.diffId.slice(7, 19)}: ${bytes} though no file changed; it was built anew, without times that are set (SOURCE_DATE_EPOCH)`;
    case 'compressed':
      return `/${advice.path}: ${bytes}; it is compressed, so that little of the old one is found in it; keep it unpacked in the image`;
  }
}
