package bundle

import (
	"encoding/json"
	"fmt"
	"regexp"

	"imgbuild/device/internal/oci"
)

// Package of the host that belongs to the release.
type Package struct {
	// Name, Version and Architecture as dpkg writes them.
	Name, Version, Architecture string
	// Digest and Size of the package's file.
	Digest oci.Digest
	Size   int64
	// Carried tells whether the file is in the bundle; the device has the others.
	Carried bool
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

// Packages of the host that belong to the release; none where the bundle says nothing of them.
func (b *Bundle) Packages() ([]Package, error) {
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
	packages, err := b.packages(*found)
	if err != nil {
		return nil, broken(b.Name, err.Error())
	}
	return packages, nil
}

func (b *Bundle) packages(descriptor oci.Descriptor) ([]Package, error) {
	var artifact oci.Manifest
	if _, err := b.document(descriptor, "manifest of packages", &artifact); err != nil {
		return nil, err
	}
	carried := map[oci.Digest]int64{}
	var list *oci.Descriptor
	for _, layer := range artifact.Layers {
		if err := layer.Check(); err != nil {
			return nil, err
		}
		switch layer.MediaType {
		case packageType:
			carried[layer.Digest] = layer.Size
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
		size, isCarried := carried[digest]
		if isCarried && size != each.Size {
			return nil, fmt.Errorf("its package %s has two sizes", each.Name)
		}
		packages = append(packages, Package{each.Name, each.Version, each.Architecture, digest, each.Size, isCarried})
	}
	return packages, nil
}

// Descriptor of the package's file, for Blob.
func (p *Package) Descriptor() oci.Descriptor {
	return oci.Descriptor{MediaType: packageType, Digest: p.Digest, Size: p.Size}
}
