package bundle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"imgbuild/device/internal/delta/packagedelta"
	"imgbuild/device/internal/oci"
)

// Package of the host that belongs to the release.
type Package struct {
	// Name, Version and Architecture as dpkg writes them.
	Name, Version, Architecture string
	// Digest and Size of the package's file.
	Digest oci.Digest
	Size   int64
	// Blob is what the bundle has of it; nil where the device has it. Its file, or, where there is a Delta, that.
	Blob  *oci.Descriptor
	Delta *PackageDelta
}

// PackageDelta says what a delta of a package is for.
type PackageDelta struct {
	// From is the version whose installed files it is made from.
	From string
	// Digest and Size of what comes out: the package with nothing compressed.
	Digest oci.Digest
	Size   int64
}

const (
	packagesArtifactType = "application/vnd.imgbuild.packages.v1"
	packagesListType     = "application/vnd.imgbuild.packages.v1+json"
	packageType          = "application/vnd.debian.binary-package"
	packageLimit         = 4096
)

// What stands in the names of files and among the arguments of dpkg (deb-control(5), deb-version(7)).
var (
	packageName         = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{0,127}$`)
	packageVersion      = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~:-]{0,127}$`)
	packageArchitecture = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)
)

// Packages of the host that belong to the release; none where the bundle says nothing of them. They are read once.
func (b *Bundle) Packages() ([]Package, error) {
	if !b.packagesRead {
		packages, err := b.readPackages()
		if err != nil {
			return nil, err
		}
		b.packages, b.packagesRead = packages, true
	}
	return slices.Clone(b.packages), nil
}

func (b *Bundle) readPackages() ([]Package, error) {
	var index oci.Index
	if err := json.Unmarshal(b.Index, &index); err != nil {
		return nil, broken(b.Name, "its index.json cannot be read: "+err.Error())
	}
	var found *oci.Descriptor
	for _, descriptor := range index.Manifests {
		if descriptor.ArtifactType != packagesArtifactType {
			continue
		}
		if found != nil {
			return nil, broken(b.Name, "it has two lists of packages")
		}
		found = &descriptor
	}
	if found == nil {
		return nil, nil
	}
	packages, err := b.packagesOf(*found)
	if err != nil {
		return nil, broken(b.Name, err.Error())
	}
	return packages, nil
}

func (b *Bundle) packagesOf(descriptor oci.Descriptor) ([]Package, error) {
	var artifact oci.Manifest
	if _, err := b.document(descriptor, "manifest of packages", &artifact); err != nil {
		return nil, err
	}
	carried := map[string]map[oci.Digest]*oci.Descriptor{packageType: {}, packagedelta.MediaType: {}}
	var list *oci.Descriptor
	for _, layer := range artifact.Layers {
		if err := layer.Check(); err != nil {
			return nil, err
		}
		switch layer.MediaType {
		case packageType, packagedelta.MediaType:
			carried[layer.MediaType][layer.Digest] = &layer
		case packagesListType:
			list = &layer
		}
	}
	if artifact.ArtifactType != packagesArtifactType || list == nil {
		return nil, fmt.Errorf("its list of packages cannot be read")
	}
	var document struct {
		Schema   int
		Packages []struct {
			Name, Version, Architecture, SHA256 string
			Size                                int64
			Delta                               *struct {
				From, Digest, SHA256 string
				Size                 int64
			}
		}
	}
	if _, err := b.document(*list, "list of packages", &document); err != nil {
		return nil, err
	}
	if document.Schema != 1 || len(document.Packages) > packageLimit {
		return nil, fmt.Errorf("its list of packages cannot be read")
	}
	packages := make([]Package, 0, len(document.Packages))
	known := map[string]bool{}
	for _, each := range document.Packages {
		digest, err := oci.ParseDigest("sha256:" + each.SHA256)
		if err != nil {
			return nil, fmt.Errorf("its list of packages: %w", err)
		}
		if !packageName.MatchString(each.Name) || !packageVersion.MatchString(each.Version) ||
			!packageArchitecture.MatchString(each.Architecture) || known[each.Name] {
			return nil, fmt.Errorf("its list of packages names %.200q", each.Name+" "+each.Version+" "+each.Architecture)
		}
		known[each.Name] = true
		found := Package{each.Name, each.Version, each.Architecture, digest, each.Size, carried[packageType][digest], nil}
		if found.Blob != nil && found.Blob.Size != each.Size {
			return nil, fmt.Errorf("its package %s has two sizes", each.Name)
		}
		if delta := each.Delta; found.Blob == nil && delta != nil {
			made, err := oci.ParseDigest("sha256:" + delta.SHA256)
			if err != nil || delta.Size < 0 || !packageVersion.MatchString(delta.From) {
				return nil, fmt.Errorf("its delta of the package %s cannot be read", each.Name)
			}
			if found.Blob = carried[packagedelta.MediaType][oci.Digest(delta.Digest)]; found.Blob == nil {
				return nil, fmt.Errorf("its delta of the package %s is missing", each.Name)
			}
			found.Delta = &PackageDelta{delta.From, made, delta.Size}
		}
		packages = append(packages, found)
	}
	return packages, nil
}
