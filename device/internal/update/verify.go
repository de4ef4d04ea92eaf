package update

import (
	"context"
	"io"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta/packagedelta"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// Verification is what a bundle would do, found out without doing it.
type Verification struct {
	Schema int             `json:"schema"`
	Name   string          `json:"name"`
	To     string          `json:"version"`
	Images []VerifiedImage `json:"images"`
	// Packages of the host that belong to the release.
	Packages []VerifiedPackage `json:"packages,omitempty"`
}

// VerifiedPackage of a bundle.
type VerifiedPackage struct {
	Name         string     `json:"name"`
	Version      string     `json:"version"`
	Architecture string     `json:"architecture"`
	Digest       oci.Digest `json:"digest"`
	Size         int64      `json:"size"`
	// Carried tells whether the bundle has it; the device has the others.
	Carried bool `json:"carried"`
	// From is the version whose installed files it is made from, "" where it is carried whole.
	From string `json:"from,omitempty"`
	// Applied: it was made from that version, and has the digest that the bundle names.
	Applied bool `json:"applied"`
	// Bytes of the bundle that it takes.
	Bytes int64 `json:"bytes"`
}

// VerifiedImage of a bundle.
type VerifiedImage struct {
	Reference string     `json:"reference,omitempty"`
	Config    oci.Digest `json:"config"`
	// Source is the config of the image that it starts from, "" for none.
	Source oci.Digest `json:"source,omitempty"`
	// Reads is the number of old files that are read from.
	Reads int `json:"reads"`
	// Ranges of old filesystem layers that are read, and their bytes.
	Ranges     int   `json:"ranges"`
	RangeBytes int64 `json:"rangeBytes"`
	// Writes is how many bytes of filesystem layers are made, as far as the bundle says it.
	Writes int64 `json:"writes"`
	// Applied: every filesystem layer was rebuilt, and has the digest that the config names.
	Applied bool `json:"applied"`
}

// Verify reads every byte of a bundle, and what each delta does; where there is an archive of the images that it starts from, or
// a folder of the packages, it is applied to them, too. It needs no engine and changes nothing.
func (u *Updater) Verify(ctx context.Context, b *bundle.Bundle, archive *Archive, old *OldPackages) (*Verification, error) {
	images, err := u.Images(b)
	if err != nil {
		return nil, err
	}
	a := &application{Updater: u, bundle: b, images: images}
	report := &Verification{Schema: 1, Name: projectOf(images), To: versionOf(images)}
	for at := range images {
		image := &images[at]
		wanted, err := a.sources(image)
		if err != nil {
			return nil, err
		}
		verified := VerifiedImage{Reference: image.Reference, Config: image.Config.Descriptor.Digest}
		if image.Source != nil {
			verified.Source = image.Source.Config
		}
		for at := range image.Layers {
			layer := &image.Layers[at]
			if layer.Kind == bundle.Reused {
				continue
			}
			if err := a.scan(ctx, layer, wanted); err != nil {
				return nil, err
			}
			verified.Writes += max(layer.Size, 0)
		}
		verified.Reads = wanted.files.Len()
		if wanted.ranges != nil {
			verified.Ranges, verified.RangeBytes = wanted.ranges.Sources().Count, wanted.ranges.Sources().Size
		}
		if archive != nil {
			if err := a.prove(ctx, image, wanted, archive); err != nil {
				return nil, err
			}
			verified.Applied = true
		}
		report.Images = append(report.Images, verified)
	}
	report.Packages, err = u.verifyPackages(ctx, b, old)
	return report, err
}

func (u *Updater) verifyPackages(ctx context.Context, b *bundle.Bundle, old *OldPackages) ([]VerifiedPackage, error) {
	listed, err := b.Packages()
	if err != nil {
		return nil, err
	}
	var verified []VerifiedPackage
	for _, each := range listed {
		found := VerifiedPackage{Name: each.Name, Version: each.Version, Architecture: each.Architecture, Digest: each.Digest, Size: each.Size}
		if each.Blob != nil {
			found.Carried, found.Bytes = true, each.Blob.Size
		}
		if each.Delta != nil {
			found.From = each.Delta.From
		}
		if each.Blob != nil {
			if err := u.readPackage(ctx, b, each); err != nil {
				return nil, err
			}
		}
		if each.Delta != nil && old != nil {
			if err := u.provePackage(ctx, carriedPackage{each, b}, old); err != nil {
				return nil, err
			}
			found.Applied = true
		}
		verified = append(verified, found)
	}
	return verified, nil
}

func (u *Updater) readPackage(ctx context.Context, b *bundle.Bundle, each bundle.Package) error {
	blob, err := b.Blob(*each.Blob)
	if err != nil {
		return err
	}
	blob = stoppable(ctx, blob)
	if each.Delta != nil {
		if err := u.scanPackage(blob); err != nil {
			return failure.Input("reading the package "+each.Name+" of "+b.Name, err.Error(), "make it with `imgbuild ota diff`, or fetch it again")
		}
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return failure.Input("reading the package "+each.Name+" of "+b.Name, err.Error(), "fetch the bundle again")
	}
	return nil
}

func (u *Updater) scanPackage(blob io.Reader) error {
	made, err := packagedelta.Read(blob)
	if err != nil {
		return err
	}
	return made.Scan(int64(u.Budget))
}
