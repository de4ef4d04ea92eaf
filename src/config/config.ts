import type { GeneratedDockerfile } from '../dockerfile/generated.ts';
import type { SourceLocation } from '../failure.ts';
import type { Platform } from '../oci/platform.ts';
import type { ImageReference } from '../oci/reference.ts';
import type { ConfigOptions } from './options.ts';
import type { ConfigOta } from './ota.ts';

/** imgbuild.yaml, parsed once. Paths are POSIX, relative to `root`, without `./` in front; `.` is the root. */
export interface Config {
  /** Absolute path of imgbuild.yaml. */
  file: string;
  /** Absolute path of the folder that holds imgbuild.yaml: the repository's root for all paths. */
  root: string;
  name: string;
  store: StoreAddress;
  args: Record<string, string>;
  options?: ConfigOptions;
  /** At least one; the platforms of every layer that names none. */
  platforms: Platform[];
  /** In the order of the file; then those that are included. */
  layers: Layer[];
  /** Of the trees that are included, the names of their layers. */
  included?: Partial<Record<TreeKind, readonly string[]>>;
  /** By normalised reference (formatReference). */
  bases: Map<string, BaseSource>;
  debs: Deb[];
  models: Model[];
  ota: ConfigOta;
  /** Where a key or value stands in the file; for errors that show only later. */
  locate(path: readonly (string | number)[], part?: 'key' | 'value'): SourceLocation;
}

/** A system whose trees are used as they are. */
export type TreeKind = 'pai' | 'ccai' | 'ascend';

/** `folder`: an OCI layout; `path` is absolute, `text` as written, without `oci:` and `./`. `registry`: host[:port]/path, lower case. */
export type StoreAddress =
  | { kind: 'folder'; path: string; text: string }
  | { kind: 'registry'; registry: string; path: string };

export interface Layer {
  name: string;
  /** Other names by which commands know it. */
  aliases: string[];
  context: string;
  /** Of a generated one, the file that it is made from. */
  dockerfile: string;
  generated?: GeneratedDockerfile;
  target?: string;
  /** Names of stages that are left out: what begins with one begins with what that begins with. */
  skip: string[];
  /** Absolute, or relative to the root: the folder of large files that are outside of the context. */
  packages?: string;
  /** `IP[:PORT]` as Dockerfiles have it, where a URL means a file of `packages`; any private address where empty. */
  packagesAt: string[];
  args: Record<string, string>;
  /** What reasons call args and the target that the scripts of a tree give: `dockerbuild.sh:5 DEVICE`, by `args.DEVICE`, `target`. */
  origins?: ReadonlyMap<string, string>;
  image: LayerImage;
  /** `merge`: into folders that are there, and over files that git does not track. */
  copy: { src: string; dst: string; merge?: boolean }[];
  prepare?: LayerPrepare;
  /** Whether .git is part of the context. */
  git: boolean;
  refresh?: 'daily' | 'weekly' | 'monthly';
  /** As written; where no layer says, a release has the images that no other layer is built on or a package runs. */
  release?: boolean;
  /** Names of layers that this one needs where its Dockerfile can't tell. */
  needs: string[];
  platforms: Platform[];
  labels: Record<string, string>;
  secrets: SecretSource[];
  /** As `docker build --ssh`: `default`, `id=socket`. */
  ssh: string[];
  /** Names of build args of the environment's own (proxies) are never here. */
}

/** Scripts that make files of the context before the build. They see their inputs, and nothing else of the tree. */
export interface LayerPrepare {
  /** Relative to the root, in the order in which they run. */
  run: string[];
  /** Files and folders that they read, relative to the root. */
  inputs: string[];
  /** Files and folders that they make, relative to the context. */
  outputs: string[];
  /** Names of variables of the environment that count. */
  env: string[];
  /** Run where those were, after the build. */
  after: string[];
}

/** `[PATH/]NAME[:TAG]`: `path` is saved below the store, `tag` is applied by push. */
export interface LayerImage {
  /** As written. */
  text: string;
  path: string;
  tag: string;
}

/** `path` is absolute, or relative to the root: a secret may lie outside the repository. */
export type SecretSource = { id: string } & ({ from: 'file'; path: string } | { from: 'env'; name: string });

/** Where a base that is in no registry comes from. `path` is absolute. */
export type BaseSource = { kind: 'oci'; path: string; reference?: string; text: string };

/** An entry of `debs:`: one package, or with `from` those that a debian/ folder declares. */
export interface Deb {
  name: string;
  /** A debian/ folder: control, *.install and the like. */
  from?: string;
  /** With `from`: packages that are packed although they are commented out. */
  on: string[];
  /** Whether the package is not packed; with `from` the names of those that are not. */
  off: boolean | string[];
  /** A layer whose image this host package runs, by a systemd unit. */
  service?: string;
  /** '' with `from`, as is the maintainer. */
  description: string;
  maintainer: string;
  /** Debian's, with `${version}` for that of the release; where absent that, or the changelog's with `from`. */
  version?: string;
  section: string;
  /** Debian's name; `any`: one package per platform of the service's layer. */
  architecture: string;
  depends: string[];
  recommends: string[];
  conflicts: string[];
  replaces: string[];
  provides: string[];
  /** SPDX identifier, for the copyright file. */
  license?: string;
  /** How the image of `service` is run. */
  run: DebRun;
  /** What is packed, and where it goes. */
  contents: DebContent[];
  /** A folder of which every file is in exactly one package, or ignored. */
  tree?: string;
  /** Globs below the root: files of the tree that are in no package. */
  ignore: string[];
  units: DebUnit[];
  /** Files as sysusers.d(5) and tmpfiles.d(5) have them. */
  sysusers?: string;
  tmpfiles?: string;
  scripts: { preinst?: string; postinst?: string; prerm?: string; postrm?: string };
  changelog?: string;
  copyright?: string;
  /** Bytes: what is larger goes to several packages. */
  split?: number;
  /** Releases of Debian or Ubuntu that must be able to unpack it: `debian:11`, `jammy`. */
  suites: string[];
  compression: 'auto' | 'zstd' | 'xz' | 'gzip' | 'none';
}

export interface DebUnit {
  src: string;
  enable: boolean;
  start: boolean;
  upgrade: 'restart' | 'stop' | 'leave';
}

/** What `docker run` is given besides the image; each entry as on its command line. */
export interface DebRun {
  /** Of the container, the unit and the folder below /opt; the configuration's name where absent. */
  name?: string;
  ports: string[];
  env: Record<string, string>;
  volumes: string[];
  /** Any other options of `docker run`: `--device=/dev/dri`. */
  options: string[];
}

/** `mode`: permission bits; those of the file (executable or not) where absent. `owner`, `group`: root where absent. */
export type DebContent =
  | ({ type: 'file' | 'config'; src: string; dst: string } & DebAttributes)
  | ({ type: 'dir'; dst: string } & DebAttributes)
  /** `src`: what it points at. */
  | { type: 'symlink'; src: string; dst: string }
  /** Not packed: the device makes it, purging the package removes it. */
  | { type: 'ghost'; dst: string };

export interface DebAttributes {
  mode?: number;
  owner?: string;
  group?: string;
}

export interface Model {
  name: string;
  /** Globs below the root. */
  files: string[];
  /** What comes from elsewhere, in the order of the file. */
  sources: ModelSource[];
  /** Makes the model from files and sources; without it they are the model. */
  convert?: ModelConvert;
  /** SPDX identifier. */
  license?: string;
  format?: string;
  /** Of its Debian package, as written; that of the other packages where absent. */
  maintainer?: string;
  /** Bytes of files in one Debian package. */
  split?: number;
  /** Each once. */
  targets: ModelTarget[];
}

/** `sha256` is 64 hex digits: of the file, with `oci` of the manifest. `as` is the path in the model. */
export type ModelSource =
  | { from: 'url'; url: string; sha256: string; as: string }
  /** `path` is absolute, or relative to the root. */
  | { from: 'path'; path: string; sha256: string; as: string }
  /** `text` is the reference in its normal form. */
  | { from: 'oci'; reference: ImageReference; text: string; sha256: string };

export interface ModelConvert {
  /** The program and its arguments; `${source}` and `${output}` stand for folders. */
  command: string[];
  /** Globs below the root. */
  inputs: string[];
  /** Files below the output folder. */
  outputs: string[];
  /** Of the programs that it uses, as the user tells it. */
  version?: string;
}

export type ModelTarget = 'modelpack' | 'deb';
