import type { SourceLocation } from '../failure.ts';
import type { Platform } from '../oci/platform.ts';
import type { OtherInput } from '../plan/input.ts';
import type { PackageUse } from './packages.ts';

/** What an image brings into a stage that begins with it, as far as it decides what that stage reads. */
export interface ImageTraits {
  /** NAME=value, in the config's order. */
  env: string[];
  workdir?: string;
  /** Instructions to run at the start of a child stage. */
  onbuild: string[];
}

/** An image outside this Dockerfile that the needed stages use. */
export interface ImageUse {
  /** After expansion of ARGs, as written otherwise: `service_runtime_base:ubuntu_20.04`. */
  reference: string;
  via: 'from' | 'copy-from' | 'mount-from';
  /** A platform that FROM --platform asks for, where it is not the target's. */
  platform?: Platform;
  /** An earlier stage with nearly this name: where there is no such image, it was most likely meant. */
  nearStage?: string;
  at: SourceLocation;
}

/** Files of the build context that one COPY, ADD or bind mount selects, before .dockerignore. */
export interface FileSelection {
  via: 'copy' | 'add' | 'mount';
  /**
   * Paths or patterns (Go's filepath.Match, as BuildKit applies them) relative to the context's root, expanded and
   * cleaned, without a leading slash; `.` is the whole context. A folder means all below it. A mount's are plain paths;
   * those of COPY --parents are not cleaned, since `/./` says where the copied paths begin.
   */
  patterns: string[];
  /** `--exclude` patterns, as in .dockerignore but relative to each source's own root. */
  excludes: string[];
  /** COPY --parents. */
  parents: boolean;
  at: SourceLocation;
  /** Of each pattern; `at` where absent. */
  places?: readonly SourceLocation[];
}

/** What building one target of a Dockerfile reads. Pure: nothing of the file system is looked at. */
export interface Analysis {
  /** Instructions, directives, args, mounts, onbuild triggers, remote sources: everything but files and images. */
  inputs: OtherInput[];
  images: ImageUse[];
  files: FileSelection[];
  /** Files of the packages folder; none where the layer has no such folder. */
  packages: PackageUse[];
  /** Commands of steps that rest on packages whose failure the shell passes over, by `;` without `set -e`. */
  ignoredFailures: { at: SourceLocation; command: string }[];
  /** Scripts that such steps run by `bash X`, as words: whether they stop at a failure is for them to say. */
  scripts: { at: SourceLocation; script: string }[];
  /** The image reference or stage chain that the target ends on, after following stages: `scratch` or a reference. */
  base: string;
  /** What a child of this target's image inherits. */
  traits: ImageTraits;
  /** Sources that can't be resolved statically: the whole context counts. */
  unresolved: { at: SourceLocation; why: string }[];
  /** ADD of a URL or git without checksum or commit: always built. */
  unpinned: { url: string; at: SourceLocation }[];
  /** ARG names that any needed stage declares. */
  declaredArgs: string[];
  /** The `# syntax=` line's reference. */
  syntax?: { reference: string; at: SourceLocation };
}

export interface AnalysisOptions {
  target?: string;
  /** Where the target is asked for, outside the Dockerfile: a target that is none of its stages is shown there. */
  targetAt?: SourceLocation;
  /** The layer has a folder of packages; `at` are the addresses at which its Dockerfile expects it. */
  packages?: { at: readonly string[] };
  /** Build args as given. Only those that a needed stage (or a FROM) declares have an effect. */
  args: Record<string, string>;
  platform: Platform;
  /** The machine that builds: BUILDPLATFORM. */
  buildPlatform: Platform;
  /** Traits of an outside image, by the reference as in ImageUse. Undefined: not known yet, treated as none. */
  traitsOf(reference: string): ImageTraits | undefined;
}
