package bundle

// A bundle is an uncompressed tar of an OCI image layout whose manifests are delta artifacts of containers/oci-delta
// (README.md, "Delta file format"); docs/ota.md says what imgbuild adds.
const (
	artifactType = "application/vnd.io.github.containers.oci-delta.v1"
	// ownArtifactType is that of deltas of which some are imgbuild's own (docs/layer-delta-format.md).
	ownArtifactType = "application/vnd.imgbuild.ota.v1"

	layoutName    = "oci-layout"
	indexName     = "index.json"
	signatureName = "index.json.asc"
	blobPrefix    = "blobs/sha256/"
)

// Annotations of oci-delta.
const (
	annotationSource       = "io.github.containers.delta.source"
	annotationSourceConfig = "io.github.containers.delta.source-config"
	annotationReusedDiffID = "io.github.containers.delta.reused-diff-id"
	annotationContent      = "io.github.containers.delta.content"
	annotationTo           = "io.github.containers.delta.to"
)

// Annotations that imgbuild adds.
const (
	annotationName          = "org.imgbuild.ota.name"
	annotationFrom          = "org.imgbuild.ota.from"
	annotationToVersion     = "org.imgbuild.ota.to"
	annotationReference     = "org.imgbuild.ota.reference"
	annotationNeeds         = "org.imgbuild.ota.needs"
	annotationSourceDiffIDs = "org.imgbuild.ota.source-diff-ids"
	annotationSize          = "org.imgbuild.ota.uncompressed-size"
)

// Limits of what is read into memory or held there.
const (
	memberLimit   = 10_000
	nameLimit     = 256
	documentLimit = 4 << 20
	// documentsLimit counts for all manifests and configs of a bundle together.
	documentsLimit = 8 << 20
	signatureLimit = 64 << 10
	imageLimit     = 64
	layerLimit     = 1024
)
