import type { Config, Deb } from '../../config/config.ts';
import type { TextFile } from './text-file.ts';

/** A debian/ folder from the view of one of its packages. */
export interface PackageFolder {
  config: Config;
  of: Deb;
  root: string;
  folder: string;
  /** Names of the files of the folder. */
  names: readonly string[];
  name: string;
  /** All packages of the folder, this one among them. */
  packages: readonly string[];
  /** Files of the folder without a package's name are of the first package. */
  isFirst: boolean;
  version: string;
  versionOfNoRelease: string;
  rulesFile: TextFile | undefined;
}
