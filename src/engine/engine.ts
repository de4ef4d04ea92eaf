import type { SecretSource } from '../config/config.ts';
import type { SourceLocation } from '../failure.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';

/** What a builder can do; found by asking it. */
export interface EngineAbilities {
  /** `--build-context NAME=docker-image://…|oci-layout://…` */
  namedContexts: boolean;
  /** `--output type=oci`. */
  ociOutput: boolean;
  /** Can push straight into a registry, by digest. */
  push: boolean;
  /** Files of new filesystem layers get no time after SOURCE_DATE_EPOCH. */
  rewriteTimestamp: boolean;
}

/** An image that a FROM, COPY --from or mount of the Dockerfile names, and where its bytes are. */
export interface ParentImage {
  /** As the Dockerfile names it after expansion of ARGs. */
  reference: string;
  /** For messages and tags: the layer's name, or the base's reference. */
  label: string;
  /** Of the manifest for the platform that is built, or of the index where another platform is asked for. */
  descriptor: Descriptor;
  source:
    /** `path` is an OCI layout's folder. */
    | { kind: 'layout'; path: string; tag?: string }
    /** `name` is the repository with its registry: `ghcr.io/acme/ccai/service_runtime`. */
    | { kind: 'registry'; name: string }
    /** Only in the daemon, under this image ID. */
    | { kind: 'daemon'; id: string };
}

/** Filesystem layers that lie elsewhere already, from the bottom. */
export interface KnownLayers {
  diffIds: readonly Digest[];
  /** What they are there; empty where only a daemon has them. */
  descriptors: readonly Descriptor[];
}

export interface BuildRequest {
  layer: string;
  platform: Platform;
  /** Absolute path of the folder to send; already normalised (modes, copy entries). */
  context: string;
  /** Absolute path of the Dockerfile to use, and its path for messages, relative to the root. */
  dockerfile: string;
  dockerfileName: string;
  /** Where its lines come from, counted from 1; absent: from the file of that name. */
  placeOf?: (line: number) => SourceLocation;
  target?: string;
  args: Record<string, string>;
  labels: Record<string, string>;
  secrets: SecretSource[];
  ssh: string[];
  parents: ParentImage[];
  /** Folders that the Dockerfile names as it names stages; absolute. Needs `namedContexts`. */
  contexts?: { name: string; path: string }[];
  /** What the result must begin with: the filesystem layers of the image that the target ends on; none for scratch. */
  base: KnownLayers;
  /** The one of `parents` that is the base, by its reference; undefined for scratch. */
  baseReference: string | undefined;
  /** Seconds; one constant. No file of a new filesystem layer is younger, where the engine can see to it. */
  sourceDateEpoch: number;
  noCache: boolean;
  /**
   * `layout`: write an OCI layout into this empty folder; blobs of filesystem layers that a parent has may be left out.
   * `push`: push by digest to this repository (`ghcr.io/acme/ccai/service_runtime`), no tag; `readBack` gives the
   * config of what was pushed.
   */
  destination:
    | { kind: 'layout'; path: string }
    | {
        kind: 'push';
        repository: string;
        readBack(manifest: Descriptor): Promise<{ config: Digest; diffIds: Digest[] }>;
      };
  /** An empty folder for files of the engine's own; whoever made it removes it. */
  workFolder: string;
  signal: AbortSignal;
}

export type BuildEvent =
  | { kind: 'step-started'; id: string; name: string; cached: boolean }
  | { kind: 'step-done'; id: string; cached: boolean; error?: string }
  | { kind: 'log'; id: string; text: string };

export interface BuiltImage {
  /** Of the image manifest. */
  descriptor: Descriptor;
  config: Digest;
  diffIds: Digest[];
}

/**
 * Something that builds one image from one Dockerfile. Throws a Failure that names the Dockerfile's line and the
 * last output of the failing step, and one when the result does not begin with `base`.
 */
export interface Engine {
  /** For people: `docker 28.5.2, buildx 0.29.1 (containerd store)`. */
  readonly name: string;
  readonly abilities: EngineAbilities;
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void): Promise<BuiltImage>;
  /**
   * Leaves an image in the local daemon under a name. Undefined where the builder has no local daemon.
   * `openBlob` gives the bytes of its config and filesystem layers.
   */
  load?(image: ImageToLoad, name: string, signal: AbortSignal): Promise<void>;
  /** Where its steps run when that is not this machine, as `ssh://host`: they reach no address of this machine. */
  elsewhere?(): Promise<string | undefined>;
  /** Ends what the builds of this run left in the engine. `stopped`: by Ctrl-C; nothing of this run is kept. */
  close(how: 'done' | 'stopped'): Promise<void>;
}

/** An image somewhere, to be streamed into a daemon. */
export interface ImageToLoad {
  descriptor: Descriptor;
  manifest: Uint8Array;
  openBlob(blob: Descriptor): Promise<NodeJS.ReadableStream>;
}
