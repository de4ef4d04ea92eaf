import type { Config, Deb, DebAttributes } from '../config/config.ts';
import type { Failure } from '../failure.ts';
import { debTrouble } from './trouble.ts';

/** Says what is wrong with a placement, at the place where it was written. */
export type PlacementTrouble = (key: 'src' | 'dst', because: string, fix: string) => Failure;

/** Something that goes into a package, whoever declared it. Sources are relative to the repository's root. */
export type Placement = { trouble: PlacementTrouble } & (
  | ({
      type: 'file' | 'config';
      src: string;
      dst: string;
      /** How a match is named below `dst`: by its path below the part without wildcards, or by its last name. */
      naming: 'below' | 'name';
    } & DebAttributes)
  | ({ type: 'dir'; dst: string } & DebAttributes)
  | { type: 'symlink'; src: string; dst: string }
  | { type: 'ghost'; dst: string }
);

/** `contents:` of a package of the configuration. */
export function declaredPlacements(config: Config, deb: Deb): Placement[] {
  return deb.contents.map((content, index): Placement => {
    const trouble: PlacementTrouble = (key, because, fix) =>
      debTrouble(config, deb.name, ['contents', index, key], because, fix);
    switch (content.type) {
      case 'file':
      case 'config':
        return { ...content, naming: 'below', trouble };
      default:
        return { ...content, trouble };
    }
  });
}
