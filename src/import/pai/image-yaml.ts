import { didYouMean } from '../../config/did-you-mean.ts';
import { parseYaml } from '../../config/yaml-source.ts';
import type { Failure, SourceLocation } from '../../failure.ts';
import { placeIn, wrongIn } from '../place.ts';

/** A text with its place in image.yaml. */
export interface Placed {
  text: string;
  at: SourceLocation;
}

/** `src` and `dst` as written: relative to the folder in which paictl.py ran. */
export interface CopyListEntry {
  src: Placed;
  dst: Placed;
  /** Of the older `copy:`, which made its folder first. */
  into?: boolean;
}

/** image.yaml of a component; an empty one says nothing. */
export interface ImageYaml {
  at: SourceLocation;
  copies: CopyListEntry[];
  /** Files that were rendered from `NAME.template`. */
  templates: Placed[];
  prerequisite?: Placed;
  failures: Failure[];
}

const keys = ['copy-list', 'template-list', 'prerequisite'];

/** `component`: its folder, relative to that in which paictl.py ran: `src/webportal`. */
export function parseImageYaml(text: string, file: string, component: string): ImageYaml {
  const source = parseYaml(text, file);
  const image: ImageYaml = { at: placeIn(file, text), copies: [], templates: [], failures: [...source.failures] };
  const { data } = source;
  if (image.failures.length > 0 || data === null || data === undefined) return image;
  const refuse = (at: SourceLocation, because: string, fix: string) => image.failures.push(wrongIn(at, because, fix));
  if (typeof data !== 'object' || Array.isArray(data)) {
    refuse(source.locate([]), 'image.yaml is empty or has keys', 'write copy-list:, or nothing');
    return image;
  }
  const list = (key: string, value: unknown): unknown[] => {
    if (value === null) return [];
    if (Array.isArray(value)) return value as unknown[];
    refuse(source.locate([key]), `${key} is a list`, 'begin each entry with - on a line of its own');
    return [];
  };
  const textAt = (path: (string | number)[], value: unknown): Placed | undefined => {
    if (typeof value === 'string' && value !== '') return { text: value, at: source.locate(path) };
    refuse(source.locate(path), `${path.at(-1)} is a text`, 'write a path');
    return undefined;
  };
  for (const [key, value] of Object.entries(data)) {
    switch (key) {
      case 'copy-list':
        for (const [index, entry] of list(key, value).entries()) {
          const copied = copyEntry(entry, [key, index]);
          if (copied) image.copies.push(copied);
        }
        break;
      case 'copy':
        for (const [index, entry] of list(key, value).entries()) {
          const src = textAt([key, index], entry);
          const dst = `${component}/copied_file`;
          if (src) image.copies.push({ src, dst: { text: dst, at: src.at }, into: true });
        }
        break;
      case 'template-list':
      case 'templatelist':
        for (const [index, entry] of list(key, value).entries()) {
          if (entry === 'None') continue;
          const name = textAt([key, index], entry);
          if (name) image.templates.push(name);
        }
        break;
      case 'prerequisite': {
        if (value === null || value === 'None') break;
        const name = textAt([key], value);
        if (name) image.prerequisite = name;
        break;
      }
      default: {
        const near = didYouMean(key, keys);
        const fix = near === undefined ? `known are ${keys.join(', ')}` : `did you mean ${near}?`;
        refuse(source.locate([key], 'key'), `image.yaml has no key ${key}`, fix);
      }
    }
  }
  return image;

  function copyEntry(entry: unknown, path: (string | number)[]): CopyListEntry | undefined {
    if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
      refuse(source.locate(path), 'an entry of copy-list has src and dst', 'write - src: PATH and dst: PATH below it');
      return undefined;
    }
    const { src, dst, ...others } = entry as Record<string, unknown>;
    const [other] = Object.keys(others);
    if (other !== undefined) {
      refuse(
        source.locate([...path, other], 'key'),
        `an entry of copy-list has no ${other}`,
        'write src and dst alone',
      );
      return undefined;
    }
    const missing = src === undefined ? 'src' : dst === undefined ? 'dst' : undefined;
    if (missing !== undefined) {
      refuse(source.locate(path), `this entry has no ${missing}`, `write ${missing}: PATH`);
      return undefined;
    }
    const from = textAt([...path, 'src'], src);
    const to = textAt([...path, 'dst'], dst);
    return from && to && { src: from, dst: to };
  }
}
