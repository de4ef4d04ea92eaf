package update

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/oci"
)

// readyLayer is a filesystem layer that the engine lacks: its uncompressed tar comes when it is written.
type readyLayer struct {
	size  int64
	write func(io.Writer) error
}

// loadArchive holds only what the engine lacks, and every kind of store understands it: the classic one manifest.json,
// whose missing filesystem layers it finds by chain ID; containerd's an OCI layout, whose missing blobs it finds by
// digest, so that these keep the descriptors that the engine has; podman the same layout, whose missing blobs it finds
// where their digests are diffIDs. What names the layers comes last: an archive that breaks off is none.
type loadArchive struct {
	image *bundle.Image
	ready map[oci.Digest]readyLayer
	// manifest is the image's in a store that keeps manifests: its own where its blobs are as that says.
	manifest  oci.Descriptor
	documents []document
	// shared, where set, writes the filesystem layers that the engine has, too.
	shared func(*tar.Writer) error
}

type document struct {
	name  string
	bytes []byte
}

func newLoadArchive(image *bundle.Image, ready map[oci.Digest]readyLayer, present map[oci.Digest]oci.Descriptor) (*loadArchive, error) {
	archive := &loadArchive{image: image, ready: ready}
	layers := make([]oci.Descriptor, len(image.Layers))
	names := make([]string, len(image.Layers))
	isTarget := true
	for at, layer := range image.Layers {
		made, isMade := ready[layer.DiffID]
		has, isThere := present[layer.DiffID]
		switch {
		case isMade:
			layers[at] = oci.Descriptor{MediaType: oci.TypeLayerTar, Digest: layer.DiffID, Size: made.size}
		case isThere:
			layers[at] = has
		default:
			layers[at] = oci.Descriptor{MediaType: layer.Descriptor.MediaType, Digest: layer.Descriptor.Digest,
				Size: layer.Descriptor.Size}
		}
		isTarget = isTarget && layers[at].Digest == layer.Descriptor.Digest
		names[at] = blobName(layer.DiffID)
	}
	config := image.Config.Descriptor
	manifest := image.Manifest.Bytes
	manifestType := image.Manifest.Descriptor.MediaType
	if !isTarget {
		var err error
		manifest, err = json.Marshal(oci.Manifest{
			SchemaVersion: 2,
			MediaType:     oci.TypeManifest,
			Config:        oci.Descriptor{MediaType: oci.TypeConfig, Digest: config.Digest, Size: config.Size},
			Layers:        layers,
		})
		if err != nil {
			return nil, err
		}
		manifestType = oci.TypeManifest
	}
	platform := image.Platform
	archive.manifest = oci.Descriptor{MediaType: manifestType, Digest: oci.DigestOf(manifest), Size: int64(len(manifest)),
		Platform: &platform}
	index, err := json.Marshal(oci.Index{SchemaVersion: 2, MediaType: oci.TypeIndex,
		Manifests: []oci.Descriptor{archive.manifest}})
	if err != nil {
		return nil, err
	}
	// No tags: these move when everything has been proven.
	saved, err := json.Marshal([]map[string]any{{"Config": blobName(config.Digest), "RepoTags": nil, "Layers": names}})
	if err != nil {
		return nil, err
	}
	archive.documents = []document{
		{blobName(config.Digest), image.Config.Bytes},
		{blobName(archive.manifest.Digest), manifest},
		{"oci-layout", []byte(oci.LayoutMarker)},
		{"index.json", index},
		{"manifest.json", saved},
	}
	return archive, nil
}

func blobName(digest oci.Digest) string { return "blobs/sha256/" + digest.Hex() }

// write sends the archive; its filesystem layers are made while they are sent.
func (a *loadArchive) write(w io.Writer) error {
	archive := tar.NewWriter(w)
	if a.shared != nil {
		if err := a.shared(archive); err != nil {
			return err
		}
	}
	head := func(name string, size int64) error {
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644})
	}
	written := map[oci.Digest]bool{}
	for _, layer := range a.image.Layers {
		ready, ok := a.ready[layer.DiffID]
		if !ok || written[layer.DiffID] {
			continue
		}
		written[layer.DiffID] = true
		if err := head(blobName(layer.DiffID), ready.size); err != nil {
			return err
		}
		if err := ready.write(archive); err != nil {
			return err
		}
		if err := archive.Flush(); err != nil {
			return fmt.Errorf("the filesystem layer %s: %w", layer.DiffID, err)
		}
	}
	for _, each := range a.documents {
		if err := head(each.name, int64(len(each.bytes))); err != nil {
			return err
		}
		if _, err := archive.Write(each.bytes); err != nil {
			return err
		}
	}
	return archive.Close()
}
