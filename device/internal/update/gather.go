package update

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// readAnySource reads the source image; of several that may be it, the first that proves to be.
func (a *application) readAnySource(ctx context.Context, plan *plan) (*readImage, error) {
	if err := plan.wanted.spool(a.folder.Path); err != nil {
		return nil, err
	}
	image := plan.image
	if image.Source == nil {
		if !plan.wanted.nothing() {
			return nil, failure.Input("reading the bundle "+a.bundle.Name, "it reads old files and names no source image",
				"make it with `imgbuild ota diff`")
		}
		return &readImage{}, nil
	}
	var refused error
	for _, candidate := range plan.sources {
		if !plan.wanted.isIn(candidate) {
			refused = damaged(candidate, fromDocker, "it lacks a filesystem layer that the deltas read from")
			continue
		}
		tars := missingByChain(a.info, image, candidate)
		// By chain ID or diffID: nothing of the source need be read where no file is wanted.
		if a.info.Store != engine.Containerd && plan.wanted.nothing() && len(tars) == 0 {
			return &readImage{source: candidate}, nil
		}
		plan.wanted.moved = movedByChain(image, candidate)
		found, err := a.readWithLinks(ctx, plan, candidate, tars)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			refused = err
			continue
		}
		certain := a.info.Store != engine.Containerd || image.Source.DiffIDs != nil
		if certain || found.configs[image.Source.Config] {
			found.source = candidate
			return found, nil
		}
		found.close()
		told := failure.Input("finding the source image", fmt.Sprintf("%s has no image %s, from which it starts",
			a.Engine, image.Source.Config), "use a bundle that starts from an image that this device has")
		told.Err = errSource
		refused = told
	}
	return nil, refused
}

func (a *application) readWithLinks(ctx context.Context, plan *plan, candidate *engine.Image, tars map[oci.Digest]bool) (*readImage, error) {
	return plan.wanted.gather(func() (*readImage, error) {
		found, err := a.readFiles(ctx, candidate, plan.wanted, tars)
		if err == nil {
			a.Log("read the source image %s from its files", short(candidate.ID))
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		// Of our own disk, where Docker's copy would have to lie as well.
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return nil, err
		}
		if errors.Is(err, errNotThere) {
			a.Log("reading the source image %s from %s", short(candidate.ID), a.Engine)
		} else {
			a.Log("reading the source image %s from %s, since its files cannot be read: %s", short(candidate.ID), a.Engine, err)
		}
		plan.wanted.again()
		return a.read(ctx, candidate, plan.wanted, tars, a.folder.Path)
	})
}

// readFiles of the engine's store: it fails with whatever keeps an image from being read there.
func (a *application) readFiles(ctx context.Context, image *engine.Image, files blobVisitor, tars map[oci.Digest]bool) (*readImage, error) {
	if a.info.Store == engine.Containerd {
		return a.readBlobs(ctx, a.info, image, files, a.folder.Path)
	}
	return a.readFolders(ctx, a.info, image, files, tars, a.folder.Path)
}

// gather what is wanted, by another reading where hard links turn out to lead to what was not asked for.
func (w *wanted) gather(read func() (*readImage, error)) (*readImage, error) {
	for {
		w.again()
		found, err := read()
		if err != nil {
			return nil, err
		}
		more, err := w.files.WantLinkTargets()
		if !more && err == nil {
			return found, nil
		}
		found.close()
		if err != nil {
			return nil, err
		}
	}
}
