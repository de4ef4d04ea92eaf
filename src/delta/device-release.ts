export type DeviceArchitecture = 'amd64' | 'arm64';

/** The device program as a release of imgbuild has it. The same sources and Go give the same bytes. */
export interface DeviceRelease {
  /** Without `v`. */
  version: string;
  /** The Go that the sums are of, as `go env GOVERSION` says it. */
  go: string;
  /** By GOARCH; sums in hex. */
  programs: Record<DeviceArchitecture, { sha256: string }>;
}
