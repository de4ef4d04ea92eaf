package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"imgbuild/device/internal/delta/packagedelta"
	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/source"
)

// OldPackages stand for what is installed of them.
type OldPackages struct {
	// Folder has them as .deb files, by whatever names. Where nothing in one is compressed, it is read without dpkg.
	Folder string
	// Temporary is the folder for what deltas read of them.
	Temporary string

	known []*dpkg.Archive
}

// provePackage makes a package that the bundle carries as a delta, and fails unless it has its digest.
func (u *Updater) provePackage(ctx context.Context, carried carriedPackage, old *OldPackages) error {
	from, err := old.find(ctx, u.Host, carried)
	if err != nil {
		return err
	}
	blob, err := carried.in.Blob(*carried.Blob)
	if err != nil {
		return err
	}
	gather := func(made *packagedelta.Delta, ranges *source.Ranges) error {
		packed := u.Host.PackedFiles(ctx, from.File)
		defer packed.Close()
		err := gatherFrom(ctx, made, ranges, packed.Open)
		var altered *packagedelta.AlteredError
		if errors.As(err, &altered) {
			return failure.Input("making the package "+carried.Name,
				fmt.Sprintf("version %s is made from the files of %s, and %s in %s", carried.Version, carried.Delta.From, altered, from.File),
				"give the package that the bundle was made from")
		}
		return err
	}
	return u.makePackage(io.Discard, stoppable(ctx, blob), carried, old.Temporary, 0, gather)
}

func (o *OldPackages) find(ctx context.Context, host dpkg.System, carried carriedPackage) (*dpkg.Archive, error) {
	if o.known == nil {
		if err := o.read(ctx, host); err != nil {
			return nil, err
		}
	}
	for _, each := range o.known {
		if each.Name == carried.Name && each.Architecture == carried.Architecture && each.Version == carried.Delta.From {
			return each, nil
		}
	}
	return nil, failure.Input("looking for old packages in "+o.Folder, fmt.Sprintf("it holds no %s %s for %s, from which %s is made",
		carried.Name, carried.Delta.From, carried.Architecture, carried.Version), "put the packages there that the bundle was made from")
}

func (o *OldPackages) read(ctx context.Context, host dpkg.System) error {
	entries, err := os.ReadDir(o.Folder)
	if err != nil {
		return failure.Input("opening "+o.Folder, "it cannot be read", "name a folder of .deb files")
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".deb" {
			continue
		}
		archive, err := host.Identify(ctx, filepath.Join(o.Folder, entry.Name()))
		if err != nil {
			return err
		}
		o.known = append(o.known, archive)
	}
	return nil
}
