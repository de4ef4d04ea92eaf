package bundle

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"

	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/oci"
)

// Image is one target of a bundle.
type Image struct {
	// Source is nil in bundles that start from nothing.
	Source   *Source
	Manifest Document
	Config   Document
	Platform oci.Platform
	Layers   []Layer
	// Sources say which bytes of the source image layer deltas read from; nil where there are none.
	Sources *oci.Descriptor
	// Name of the project, versions, and the name with tag on the device: empty where the bundle does not say them.
	Name, From, To, Reference string
}

// Source is the image that the deltas start from.
type Source struct {
	Config oci.Digest
	// Manifest is empty where the bundle does not say it.
	Manifest oci.Digest
	// DiffIDs of the whole source image; nil where the bundle does not say them.
	DiffIDs []oci.Digest
}

// Document is a blob that has been read and checked.
type Document struct {
	Descriptor oci.Descriptor
	Bytes      []byte
}

// Kind tells where a filesystem layer comes from.
type Kind int

// A filesystem layer is in the source image, or is made from it, or stands in the bundle as it is.
const (
	Reused Kind = iota
	Delta
	Whole
)

// Layer is one filesystem layer of the target.
type Layer struct {
	Kind   Kind
	DiffID oci.Digest
	// Descriptor is the one of the target's manifest.
	Descriptor oci.Descriptor
	// Blob is what the bundle carries for it, where it is not reused.
	Blob oci.Descriptor
	// Size of the tar that comes out, in bytes; -1 where the bundle does not say it.
	Size int64
}

// DiffIDs of the target, the lowest filesystem layer first.
func (i *Image) DiffIDs() []oci.Digest {
	ids := make([]oci.Digest, len(i.Layers))
	for at, layer := range i.Layers {
		ids[at] = layer.DiffID
	}
	return ids
}

// Images reads manifests and configs, each checked against its digest. isDelta tells the media types of deltas that can
// be read.
func (b *Bundle) Images(isDelta func(mediaType string) bool) ([]Image, error) {
	b.documents = 0
	var index oci.Index
	if err := json.Unmarshal(b.Index, &index); err != nil {
		return nil, broken(b.Name, "its index.json cannot be read: "+err.Error())
	}
	if len(index.Manifests) == 0 || len(index.Manifests) > imageLimit {
		return nil, broken(b.Name, fmt.Sprintf("its index.json names %d deltas", len(index.Manifests)))
	}
	images := make([]Image, 0, len(index.Manifests))
	for _, descriptor := range index.Manifests {
		if descriptor.ArtifactType == packagesArtifactType {
			continue // Packages has them
		}
		image, err := b.image(descriptor, isDelta)
		if err != nil {
			return nil, broken(b.Name, err.Error())
		}
		images = append(images, *image)
	}
	if len(images) == 0 {
		return nil, broken(b.Name, "its index.json names no image")
	}
	return images, nil
}

func (b *Bundle) image(descriptor oci.Descriptor, isDelta func(string) bool) (*Image, error) {
	var artifact oci.Manifest
	if _, err := b.document(descriptor, "delta", &artifact); err != nil {
		return nil, err
	}
	if artifact.ArtifactType != artifactType && artifact.ArtifactType != ownArtifactType {
		return nil, fmt.Errorf("it holds %.100q, not a delta that can be read", artifact.ArtifactType)
	}
	if len(artifact.Layers) > layerLimit {
		return nil, fmt.Errorf("its delta has %d blobs", len(artifact.Layers))
	}
	for _, layer := range artifact.Layers {
		if err := layer.Check(); err != nil {
			return nil, err
		}
	}
	image := &Image{
		Name:      artifact.Annotations[annotationName],
		From:      artifact.Annotations[annotationFrom],
		To:        artifact.Annotations[annotationToVersion],
		Reference: artifact.Annotations[annotationReference],
	}
	if text := artifact.Annotations[annotationNeeds]; text != "" {
		// Told before any filesystem layer is read, or downloaded.
		if needs, err := strconv.Atoi(text); err != nil || needs > layerdelta.Version {
			return nil, fmt.Errorf("it needs a program that reads version %.20s of layer deltas, and this one reads up to %d", text,
				layerdelta.Version)
		}
	}
	manifest, config, err := b.target(image, &artifact)
	if err != nil {
		return nil, err
	}
	if image.Source, err = source(artifact.Annotations); err != nil {
		return nil, err
	}
	image.Platform = oci.Platform{OS: config.OS, Architecture: config.Architecture, Variant: config.Variant}
	reused, err := digests(artifact.Annotations[annotationReusedDiffID])
	if err != nil {
		return nil, err
	}
	carried := map[string]oci.Descriptor{}
	for _, layer := range artifact.Layers {
		if layer.Annotations[annotationContent] == "sources" {
			if image.Sources != nil || layer.MediaType != layerdelta.SourcesMediaType {
				return nil, fmt.Errorf("its sources cannot be read: %.100q", layer.MediaType)
			}
			image.Sources = &layer
		}
		if to := layer.Annotations[annotationTo]; to != "" && layer.Annotations[annotationContent] == "image-layer" {
			carried[to] = layer
		}
	}
	for at, descriptor := range manifest.Layers {
		layer := Layer{DiffID: config.RootFS.DiffIDs[at], Descriptor: descriptor, Size: -1}
		blob, ok := carried[string(descriptor.Digest)]
		switch {
		case ok && isDelta(blob.MediaType):
			layer.Kind = Delta
			if blob.MediaType == layerdelta.MediaType && image.Sources == nil {
				return nil, fmt.Errorf("the filesystem layer %s is sent as a layer delta, and there are no sources", descriptor.Digest)
			}
		case ok && blob.Digest == descriptor.Digest:
			layer.Kind = Whole
		case ok:
			return nil, fmt.Errorf("the filesystem layer %s is sent as %.100q, which cannot be read", descriptor.Digest,
				blob.MediaType)
		case reused != nil && !slices.Contains(reused, layer.DiffID), image.Source == nil:
			return nil, fmt.Errorf("the filesystem layer %s is neither in it nor in the source image", layer.DiffID)
		}
		if ok {
			layer.Blob = blob
			if size, err := strconv.ParseInt(blob.Annotations[annotationSize], 10, 64); err == nil && size >= 0 {
				layer.Size = size
			}
		}
		image.Layers = append(image.Layers, layer)
	}
	return image, nil
}

// target reads the manifest and config that the artifact carries, and checks that they belong together.
func (b *Bundle) target(image *Image, artifact *oci.Manifest) (*oci.Manifest, *oci.Config, error) {
	only := func(content string) (oci.Descriptor, error) {
		var found []oci.Descriptor
		for _, layer := range artifact.Layers {
			if layer.Annotations[annotationContent] == content {
				found = append(found, layer)
			}
		}
		if len(found) != 1 {
			return oci.Descriptor{}, fmt.Errorf("its delta has %d entries of %s, not one", len(found), content)
		}
		return found[0], nil
	}
	var manifest oci.Manifest
	var config oci.Config
	for content, into := range map[string]struct {
		document *Document
		value    any
	}{"image-manifest": {&image.Manifest, &manifest}, "image-config": {&image.Config, &config}} {
		descriptor, err := only(content)
		if err != nil {
			return nil, nil, err
		}
		bytes, err := b.document(descriptor, content, into.value)
		if err != nil {
			return nil, nil, err
		}
		*into.document = Document{descriptor, bytes}
	}
	if manifest.Config.Digest != image.Config.Descriptor.Digest {
		return nil, nil, fmt.Errorf("its target manifest and config do not belong together")
	}
	if len(manifest.Layers) != len(config.RootFS.DiffIDs) || len(manifest.Layers) > layerLimit {
		return nil, nil, fmt.Errorf("its target manifest has %d filesystem layers, and the config %d",
			len(manifest.Layers), len(config.RootFS.DiffIDs))
	}
	for at, layer := range manifest.Layers {
		if err := layer.Check(); err != nil {
			return nil, nil, err
		}
		if config.RootFS.DiffIDs[at] == "" {
			return nil, nil, fmt.Errorf("its target config has no digest for a filesystem layer")
		}
	}
	return &manifest, &config, nil
}

func source(annotations map[string]string) (*Source, error) {
	text, ok := annotations[annotationSourceConfig]
	if !ok {
		return nil, nil
	}
	config, err := oci.ParseDigest(text)
	if err != nil {
		return nil, fmt.Errorf("its source is no image: %w", err)
	}
	found := &Source{Config: config}
	if manifest, err := oci.ParseDigest(annotations[annotationSource]); err == nil {
		found.Manifest = manifest
	}
	found.DiffIDs, err = digests(annotations[annotationSourceDiffIDs])
	return found, err
}

// digests reads a JSON array; nil for no text.
func digests(text string) ([]oci.Digest, error) {
	if text == "" {
		return nil, nil
	}
	list := []oci.Digest{}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("a list of filesystem layers cannot be read: %w", err)
	}
	return list, nil
}

// document reads a small blob and parses it.
func (b *Bundle) document(d oci.Descriptor, what string, into any) ([]byte, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if d.Size > documentLimit {
		return nil, fmt.Errorf("its %s has %d bytes, and %d are accepted", what, d.Size, documentLimit)
	}
	if b.documents += d.Size; b.documents > documentsLimit {
		return nil, fmt.Errorf("its manifests and configs have more than %d bytes", documentsLimit)
	}
	r, err := b.Blob(d)
	if err != nil {
		return nil, err
	}
	bytes, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(bytes, into); err != nil {
		return nil, fmt.Errorf("its %s cannot be read: %w", what, err)
	}
	return bytes, nil
}
