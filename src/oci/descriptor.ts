import type { Digest } from './digest.ts';
import type { Platform } from './platform.ts';

/** OCI image spec, descriptor.md. `size` is in bytes. */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  annotations?: Record<string, string>;
  artifactType?: string;
  platform?: Platform & Record<string, unknown>;
  urls?: string[];
  /** The content itself, base64. */
  data?: string;
}
