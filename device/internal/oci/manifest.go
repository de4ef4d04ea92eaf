package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Media types of what is read and written here.
const (
	TypeIndex    = "application/vnd.oci.image.index.v1+json"
	TypeManifest = "application/vnd.oci.image.manifest.v1+json"
	TypeConfig   = "application/vnd.oci.image.config.v1+json"
	TypeLayerTar = "application/vnd.oci.image.layer.v1.tar"
)

// LayoutMarker is what the file `oci-layout` of an image layout holds (image-layout.md).
const LayoutMarker = `{"imageLayoutVersion":"1.0.0"}`

// Descriptor names a blob (descriptor.md).
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       Digest            `json:"digest"`
	Size         int64             `json:"size"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// Check refuses descriptors that lack something.
func (d Descriptor) Check() error {
	switch {
	case d.Digest == "":
		return fmt.Errorf("a descriptor has no digest")
	case d.MediaType == "":
		return fmt.Errorf("the descriptor of %s has no media type", d.Digest)
	case d.Size < 0:
		return fmt.Errorf("the descriptor of %s has the size %d", d.Digest, d.Size)
	}
	return nil
}

// Descriptors is a list of at most DescriptorLimit: a few bytes of JSON must not take many of memory.
type Descriptors []Descriptor

// DescriptorLimit is more than any image has: Docker allows 127 filesystem layers.
const DescriptorLimit = 2048

// UnmarshalJSON stops at the limit.
func (d *Descriptors) UnmarshalJSON(text []byte) error {
	*d = nil
	decoder := json.NewDecoder(bytes.NewReader(text))
	start, err := decoder.Token()
	if err != nil || start == nil {
		return err
	}
	if start != json.Delim('[') {
		return fmt.Errorf("a list of descriptors is none")
	}
	for decoder.More() {
		if len(*d) == DescriptorLimit {
			return fmt.Errorf("a list has more than %d descriptors", DescriptorLimit)
		}
		var each Descriptor
		if err := decoder.Decode(&each); err != nil {
			return err
		}
		*d = append(*d, each)
	}
	return nil
}

// Index is an image index (image-index.md).
type Index struct {
	SchemaVersion int         `json:"schemaVersion"`
	MediaType     string      `json:"mediaType,omitempty"`
	Manifests     Descriptors `json:"manifests"`
}

// Manifest is an image manifest (manifest.md).
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        Descriptors       `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Config is what of an image config matters here (config.md).
type Config struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
	RootFS       struct {
		DiffIDs []Digest `json:"diff_ids"`
	} `json:"rootfs"`
}

// Platform as in an image index.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// String is `os/architecture[/variant]`.
func (p Platform) String() string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}
