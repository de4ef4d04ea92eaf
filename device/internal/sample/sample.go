// Package sample makes images and bundles for tests.
package sample

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strconv"

	"github.com/klauspost/compress/zstd"

	"imgbuild/device/internal/oci"
)

// Noise is bytes that do not compress and are the same in every run.
func Noise(size int, seed uint64) []byte {
	source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	noise := make([]byte, size)
	source.Read(noise)
	return noise
}

// Entry of a tar: a file, or a hard link where Link is set.
type Entry struct {
	Name     string
	Contents []byte
	Link     string
}

// Tar of entries.
func Tar(entries ...Entry) []byte {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, entry := range entries {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: entry.Name, Size: int64(len(entry.Contents)), Mode: 0o644}
		if entry.Link != "" {
			header.Typeflag, header.Linkname = tar.TypeLink, entry.Link
		}
		if err := archive.WriteHeader(header); err != nil {
			panic(err)
		}
		archive.Write(entry.Contents)
	}
	archive.Close()
	return buffer.Bytes()
}

// Image of filesystem layers, uncompressed.
type Image struct {
	Layers   [][]byte
	Config   []byte
	Manifest []byte
}

// NewImage of filesystem layers; env makes configs differ.
func NewImage(env string, layers ...[]byte) *Image {
	diffIDs := []oci.Digest{}
	manifest := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest}
	for _, layer := range layers {
		diffIDs = append(diffIDs, oci.DigestOf(layer))
		manifest.Layers = append(manifest.Layers, descriptor(oci.TypeLayerTar, layer))
	}
	config := encode(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Env": []string{"V=" + env}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	manifest.Config = descriptor(oci.TypeConfig, config)
	return &Image{layers, config, encode(manifest)}
}

// DiffIDs of the image.
func (i *Image) DiffIDs() []oci.Digest {
	ids := make([]oci.Digest, len(i.Layers))
	for at, layer := range i.Layers {
		ids[at] = oci.DigestOf(layer)
	}
	return ids
}

func descriptor(mediaType string, blob []byte) oci.Descriptor {
	return oci.Descriptor{MediaType: mediaType, Digest: oci.DigestOf(blob), Size: int64(len(blob))}
}

func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// Operations of a tar-diff under construction.
type Operations struct{ bytes.Buffer }

// Op appends an operation; size is that of the contents where there are any.
func (o *Operations) Op(code byte, size uint64, contents ...byte) *Operations {
	o.WriteByte(code)
	o.Write(binary.AppendUvarint(nil, size))
	o.Write(contents)
	return o
}

// Data puts bytes out.
func (o *Operations) Data(contents []byte) *Operations {
	return o.Op(0, uint64(len(contents)), contents...)
}

// Open reads from a file.
func (o *Operations) Open(path string) *Operations {
	return o.Op(1, uint64(len(path)), []byte(path)...)
}

// Copy from the file.
func (o *Operations) Copy(size uint64) *Operations { return o.Op(2, size) }

// Add to the file.
func (o *Operations) Add(contents []byte) *Operations {
	return o.Op(3, uint64(len(contents)), contents...)
}

// Seek in the file.
func (o *Operations) Seek(position uint64) *Operations { return o.Op(4, position) }

// TarDiff is the delta of the operations.
func (o *Operations) TarDiff() []byte {
	return append([]byte("tardf1\n\x00"), Zstd(o.Bytes(), 1<<20)...)
}

// Zstd compresses with a window of so many bytes.
func Zstd(plain []byte, window int) []byte {
	var buffer bytes.Buffer
	encoder, err := zstd.NewWriter(&buffer, zstd.WithWindowSize(window), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err)
	}
	// In two parts, so that the frame says its window rather than its size.
	encoder.Write(plain[:len(plain)/2])
	encoder.Flush()
	encoder.Write(plain[len(plain)/2:])
	encoder.Close()
	return buffer.Bytes()
}

// Target of a bundle: an image, what it is made from, and how.
type Target struct {
	From, To  *Image
	Reference string
	// Deltas by the diffID that they make. Filesystem layers that From has are reused, others sent whole.
	Deltas map[oci.Digest][]byte
	// LayerDeltas by the diffID that they make, and the list of sources for them.
	LayerDeltas map[oci.Digest][]byte
	Sources     []byte
	// Accounts are named, and are not in the bundle.
	Accounts []oci.Descriptor
	// Sizes overrides what the bundle says of the uncompressed sizes; "" leaves it out.
	Sizes map[oci.Digest]string
	// Needs is the version of layer deltas that it takes to read it; "" leaves it out.
	Needs string
	// Without the IDs of the source's filesystem layers, as the public tool writes it.
	Plain bool
}

// Package of the host in a bundle.
type Package struct {
	Name, Version, Architecture string
	Bytes                       []byte
	// Listed only: the device has it.
	Listed bool
	// Delta is what is carried instead of Bytes, where it is not nil.
	Delta *PackageDelta
}

// PackageDelta of a package.
type PackageDelta struct {
	// From is the version that it is made from.
	From  string
	Bytes []byte
	// SHA256 and Size of what comes out.
	SHA256 string
	Size   int64
}

// Bundle of a release. sign may be nil.
func Bundle(name, from, to string, sign func([]byte) []byte, targets ...Target) []byte {
	return BundleWithPackages(name, from, to, sign, nil, targets...)
}

// BundleWithPackages is a Bundle that lists packages of the host, too.
func BundleWithPackages(name, from, to string, sign func([]byte) []byte, packages []Package, targets ...Target) []byte {
	index := oci.Index{SchemaVersion: 2, MediaType: oci.TypeIndex}
	var blobs [][]byte
	if packages != nil {
		artifact, carried := packagesArtifact(packages)
		list := descriptor(oci.TypeManifest, artifact)
		list.ArtifactType = packagesType
		index.Manifests = append(index.Manifests, list)
		blobs = append(append(blobs, artifact), carried...)
	}
	for _, target := range targets {
		artifact, carried := artifact(name, from, to, target)
		delta := descriptor(oci.TypeManifest, artifact)
		index.Manifests = append(index.Manifests, delta)
		blobs = append(blobs, artifact, []byte("{}"), target.To.Manifest, target.To.Config)
		blobs = append(blobs, carried...)
	}
	indexText := encode(index)
	entries := []Entry{{Name: "oci-layout", Contents: []byte(oci.LayoutMarker)}, {Name: "index.json", Contents: indexText}}
	if sign != nil {
		entries = append(entries, Entry{Name: "index.json.asc", Contents: sign(indexText)})
	}
	seen := map[oci.Digest]bool{}
	for _, blob := range blobs {
		digest := oci.DigestOf(blob)
		if !seen[digest] {
			seen[digest] = true
			entries = append(entries, Entry{Name: "blobs/sha256/" + digest.Hex(), Contents: blob})
		}
	}
	return Tar(entries...)
}

const packagesType = "application/vnd.imgbuild.packages.v1"

func packagesArtifact(packages []Package) (text []byte, carried [][]byte) {
	type listed struct {
		Name         string `json:"name"`
		Version      string `json:"version"`
		Architecture string `json:"architecture"`
		Size         int    `json:"size"`
		SHA256       string `json:"sha256"`
		Delta        any    `json:"delta,omitempty"`
	}
	list := []listed{}
	manifest := oci.Manifest{SchemaVersion: 2, MediaType: oci.TypeManifest, ArtifactType: packagesType,
		Config: descriptor("application/vnd.oci.empty.v1+json", []byte("{}"))}
	for _, each := range packages {
		entry := listed{each.Name, each.Version, each.Architecture, len(each.Bytes), oci.DigestOf(each.Bytes).Hex(), nil}
		if delta := each.Delta; delta != nil {
			blob := descriptor("application/vnd.imgbuild.package-delta.v1", delta.Bytes)
			entry.Delta = map[string]any{"from": delta.From, "digest": blob.Digest, "size": delta.Size, "sha256": delta.SHA256}
			manifest.Layers = append(manifest.Layers, blob)
			carried = append(carried, delta.Bytes)
		}
		list = append(list, entry)
		if !each.Listed && each.Delta == nil {
			manifest.Layers = append(manifest.Layers, descriptor("application/vnd.debian.binary-package", each.Bytes))
			carried = append(carried, each.Bytes)
		}
	}
	document := encode(map[string]any{"schema": 1, "packages": list})
	manifest.Layers = append(manifest.Layers, descriptor("application/vnd.imgbuild.packages.v1+json", document))
	return encode(manifest), append(carried, document)
}

func artifact(name, from, to string, target Target) (text []byte, carried [][]byte) {
	const prefix = "io.github.containers.delta."
	const own = "org.imgbuild.ota."
	with := func(d oci.Descriptor, annotations map[string]string) oci.Descriptor {
		d.Annotations = annotations
		return d
	}
	manifest := oci.Manifest{
		SchemaVersion: 2, MediaType: oci.TypeManifest,
		ArtifactType: "application/vnd.io.github.containers.oci-delta.v1",
		Config:       descriptor("application/vnd.oci.empty.v1+json", []byte("{}")),
		Layers: []oci.Descriptor{
			with(descriptor(oci.TypeManifest, target.To.Manifest), map[string]string{prefix + "content": "image-manifest"}),
			with(descriptor(oci.TypeConfig, target.To.Config), map[string]string{prefix + "content": "image-config"}),
		},
		Annotations: map[string]string{
			own + "name": name, own + "from": from, own + "to": to, own + "reference": target.Reference,
		},
	}
	if target.Needs != "" {
		manifest.Annotations[own+"needs"] = target.Needs
	}
	if target.Sources != nil {
		manifest.ArtifactType = "application/vnd.imgbuild.ota.v1"
		manifest.Layers = append(manifest.Layers, with(descriptor("application/vnd.imgbuild.sources.v1", target.Sources),
			map[string]string{prefix + "content": "sources"}))
		carried = append(carried, target.Sources)
	}
	known := map[oci.Digest]bool{}
	if target.From != nil {
		manifest.Annotations[prefix+"source-config"] = string(oci.DigestOf(target.From.Config))
		manifest.Annotations[prefix+"source"] = string(oci.DigestOf(target.From.Manifest))
		if !target.Plain {
			manifest.Annotations[own+"source-diff-ids"] = string(encode(target.From.DiffIDs()))
		}
		for _, id := range target.From.DiffIDs() {
			known[id] = true
		}
	}
	for _, layer := range target.To.Layers {
		id := oci.DigestOf(layer)
		annotations := map[string]string{prefix + "content": "image-layer", prefix + "to": string(id)}
		size, given := target.Sizes[id]
		if !given {
			size = strconv.Itoa(len(layer))
		}
		if size != "" {
			annotations[own+"uncompressed-size"] = size
		}
		delta, isDelta := target.Deltas[id]
		layerDelta, isLayerDelta := target.LayerDeltas[id]
		switch {
		case isLayerDelta:
			manifest.Layers = append(manifest.Layers, with(descriptor("application/vnd.imgbuild.layer-delta.v1", layerDelta), annotations))
			carried = append(carried, layerDelta)
		case isDelta:
			manifest.Layers = append(manifest.Layers, with(descriptor("application/vnd.tar-diff", delta), annotations))
			carried = append(carried, delta)
		case !known[id]:
			manifest.Layers = append(manifest.Layers, with(descriptor(oci.TypeLayerTar, layer), annotations))
			carried = append(carried, layer)
		}
	}
	for _, account := range target.Accounts {
		manifest.Layers = append(manifest.Layers, with(account, map[string]string{prefix + "content": "account"}))
	}
	return encode(manifest), carried
}

// EachMember reads a tar.
func EachMember(text []byte, visit func(name string, contents []byte)) {
	archive := tar.NewReader(bytes.NewReader(text))
	for {
		header, err := archive.Next()
		if err != nil {
			return
		}
		contents, err := io.ReadAll(archive)
		if err != nil {
			panic(err)
		}
		visit(header.Name, contents)
	}
}

// ManifestOf the first image in an OCI layout.
func ManifestOf(members map[string][]byte) oci.Manifest {
	var index oci.Index
	var manifest oci.Manifest
	if err := json.Unmarshal(members["index.json"], &index); err != nil {
		panic(err)
	}
	if err := json.Unmarshal(members["blobs/sha256/"+index.Manifests[0].Digest.Hex()], &manifest); err != nil {
		panic(err)
	}
	return manifest
}
