package update

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// Archive of images, as `docker save` or skopeo write them.
type Archive struct {
	// Name of the file, for messages.
	Name string
	File io.ReadSeeker
	// Temporary is the folder for what deltas read of it.
	Temporary string
}

func (a *Archive) giver() giver {
	return giver{a.Name, "give the archive of the images that the bundle was made from"}
}

// prove rebuilds every filesystem layer that the bundle carries for an image, without an engine, and fails unless each has its
// digest, and the source image those that the target shares with it.
func (a *application) prove(ctx context.Context, image *bundle.Image, wanted *wanted, archive *Archive) error {
	if err := wanted.spool(archive.Temporary); err != nil {
		return err
	}
	defer wanted.close()
	if err := a.gatherFrom(ctx, archive, image, wanted); err != nil {
		return err
	}
	if err := wanted.unpack(); err != nil {
		return err
	}
	for at := range image.Layers {
		if layer := &image.Layers[at]; layer.Kind != bundle.Reused {
			if err := a.rebuild(ctx, io.Discard, layer, &plan{image: image, wanted: wanted}); err != nil {
				return err
			}
		}
	}
	return nil
}

// gatherFrom reads the source image whole, so that what the target shares with it is known to be right, too.
func (a *application) gatherFrom(ctx context.Context, archive *Archive, image *bundle.Image, wanted *wanted) error {
	if image.Source == nil {
		if wanted.nothing() {
			return nil
		}
		return failure.Input("reading the bundle "+a.bundle.Name, "it reads old files and names no source image",
			"make it with `imgbuild ota diff`")
	}
	source, err := archive.find(image.Source.Config)
	if err != nil {
		return err
	}
	if !wanted.isIn(source) {
		return damaged(source, archive.giver(), "it lacks a filesystem layer that the deltas read from")
	}
	for _, layer := range image.Layers {
		if layer.Kind == bundle.Reused && !slices.Contains(source.DiffIDs, layer.DiffID) {
			return damaged(source, archive.giver(), fmt.Sprintf("it lacks the filesystem layer %s", layer.DiffID))
		}
	}
	found, err := wanted.gather(func() (*readImage, error) {
		if _, err := archive.File.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return a.readArchive(ctx, archive.File, source, archive.giver(), wanted, nil, archive.Temporary)
	})
	if err != nil {
		return err
	}
	found.close()
	return nil
}

// find an image by the digest of its config.
func (a *Archive) find(config oci.Digest) (*engine.Image, error) {
	if _, err := a.File.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	members := tar.NewReader(a.File)
	for {
		header, err := members.Next()
		if err == io.EOF {
			return nil, failure.Input("looking for the source image in "+a.Name, fmt.Sprintf("it holds no image %s", config),
				a.giver().fix)
		}
		if err != nil {
			return nil, failure.Input("reading "+a.Name, "it is no archive of images, or damaged: "+err.Error(), a.giver().fix)
		}
		if header.Typeflag != tar.TypeReg || header.Size > documentLimit {
			continue
		}
		text, err := io.ReadAll(members)
		if err != nil || oci.DigestOf(text) != config {
			continue // the next member tells of an archive that breaks off
		}
		var found oci.Config
		if err := json.Unmarshal(text, &found); err != nil {
			return nil, failure.Input("reading "+a.Name, fmt.Sprintf("the config %s is none: %s", config, err), a.giver().fix)
		}
		return &engine.Image{ID: string(config), DiffIDs: found.RootFS.DiffIDs}, nil
	}
}
