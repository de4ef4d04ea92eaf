import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import type { SecretSource } from '../config/config.ts';

/** What a builder can do; found by asking it, never by its version alone. */
export interface EngineAbilities {
  /** `--build-context NAME=docker-image://…|oci-layout://…` */
  namedContexts: boolean;
  /** `--output type=oci`. */
  ociOutput: boolean;
  /** Can push straight into a registry. */
  push: boolean;
  /** SOURCE_DATE_EPOCH with rewrite-timestamp. */
  rewriteTimestamp: boolean;
}

/** An image that a FROM, COPY --from or mount of the Dockerfile names, and where its bytes are. */
export interface ParentImage {
  /** As the Dockerfile names it after expansion of ARGs. */
  reference: string;
  /** For messages and tags: the layer's name, or the base's reference. */
  label: string;
  descriptor: Descriptor;
  source:
    | { kind: 'layout'; path: string; tag?: string }
    | { kind: 'registry'; name: string }
    /** Only in the daemon, under this image ID. */
    | { kind: 'daemon'; id: string };
}

export interface BuildRequest {
  layer: string;
  platform: Platform;
  /** Absolute path of the folder to send; already normalised (modes, copy entries, .dockerignore applied or kept). */
  context: string;
  /** Absolute path of the Dockerfile to use, and its path for messages, relative to the root. */
  dockerfile: string;
  dockerfileName: string;
  target?: string;
  args: Record<string, string>;
  labels: Record<string, string>;
  secrets: SecretSource[];
  ssh: string[];
  parents: ParentImage[];
  /** Seconds; one constant. */
  sourceDateEpoch: number;
  noCache: boolean;
  /**
   * `layout`: write an OCI layout into this empty folder. `push`: push by digest to this repository
   * (`ghcr.io/acme/ccai/service_runtime`), no tag.
   */
  destination: { kind: 'layout'; path: string } | { kind: 'push'; repository: string };
  signal: AbortSignal;
}

export type BuildEvent =
  | { kind: 'step-started'; id: string; name: string; cached: boolean }
  | { kind: 'step-done'; id: string; cached: boolean; error?: string }
  | { kind: 'log'; id: string; text: string };

export interface BuiltImage {
  descriptor: Descriptor;
  config: Digest;
  diffIds: Digest[];
}

/**
 * Something that builds one image from one Dockerfile. Throws a Failure that names the Dockerfile's line and the
 * last output of the failing step.
 */
export interface Engine {
  /** For people: `docker 28.5.2, buildx 0.29.1 (containerd store)`. */
  readonly name: string;
  readonly abilities: EngineAbilities;
  build(request: BuildRequest, onEvent: (event: BuildEvent) => void): Promise<BuiltImage>;
}
