/** Media types that are read and written. OCI image spec, media-types.md; Docker's of schema 2 are read only. */
export const mediaType = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  empty: 'application/vnd.oci.empty.v1+json',
  layerTar: 'application/vnd.oci.image.layer.v1.tar',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  layerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  /** The input manifest of a saved layer: JSON Lines, zstd. */
  inputs: 'application/vnd.imgbuild.inputs.v1+jsonl+zstd',
  inputsArtifact: 'application/vnd.imgbuild.inputs.v1',
  release: 'application/vnd.imgbuild.release.v1+json',
  releaseArtifact: 'application/vnd.imgbuild.release.v1',
  channel: 'application/vnd.imgbuild.channel.v1+json',
  channelArtifact: 'application/vnd.imgbuild.channel.v1',
  /** A bundle beside the image that it leads to: the file as it is. */
  bundle: 'application/vnd.imgbuild.ota.v1+tar',
  bundleArtifact: 'application/vnd.imgbuild.ota.v1',
  /** RFC 3156, section 5. */
  signature: 'application/pgp-signature',
} as const;

export function isIndexType(type: string): boolean {
  return type === mediaType.index || type === mediaType.dockerIndex;
}

export function isManifestType(type: string): boolean {
  return type === mediaType.manifest || type === mediaType.dockerManifest;
}
