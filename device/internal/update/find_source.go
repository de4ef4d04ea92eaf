package update

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// errSource marks the errors of a bundle that may be good, for a device that has another source image.
var errSource = errors.New("the source image cannot be used")

// findSources lists the engine's images that may be the one that a bundle starts from, the likeliest first. In the
// classic store and podman's the config's digest is an image's ID; containerd's store does not find images by it, so that
// their filesystem layers decide.
func (u *Updater) findSources(ctx context.Context, info *engine.Info, image *bundle.Image) ([]*engine.Image, error) {
	source := image.Source
	var found []*engine.Image
	take := func(name string) error {
		each, err := u.Engine.Inspect(ctx, name)
		if err != nil || each == nil {
			return err
		}
		if each.Damaged != "" {
			u.Log("warning: %s is no source image: %s", short(each.ID), each.Damaged)
			return nil
		}
		known := slices.ContainsFunc(found, func(other *engine.Image) bool { return other.ID == each.ID })
		if !known && mayBeSource(each, image) {
			found = append(found, each)
		}
		return nil
	}
	direct := source.Config
	if info.Store == engine.Containerd {
		direct = source.Manifest
	}
	if direct != "" {
		if err := take(string(direct)); err != nil {
			return nil, err
		}
	}
	// With the whole list of filesystem layers known, an image that has them is as good, whatever its config says.
	certain := len(found) > 0 && (info.Store != engine.Containerd || source.DiffIDs != nil)
	if !certain && (info.Store == engine.Containerd || source.DiffIDs != nil) {
		ids, err := u.Engine.List(ctx)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if err := take(id); err != nil {
				return nil, err
			}
		}
	}
	if len(found) == 0 {
		because := fmt.Sprintf("%s has no image %s, from which it starts", u.Engine, source.Config)
		if image.From != "" {
			because = fmt.Sprintf("%s has no image %s (release %s), from which it starts", u.Engine,
				source.Config, image.From)
		}
		told := failure.Input("finding the source image", because,
			"use a bundle that starts from an image that this device has, or load the new release as a whole")
		told.Err = errSource
		return nil, told
	}
	return found, nil
}

func mayBeSource(candidate *engine.Image, image *bundle.Image) bool {
	if image.Source.DiffIDs != nil {
		return sameDiffIDs(candidate, image.Source.DiffIDs)
	}
	for _, layer := range image.Layers {
		if layer.Kind == bundle.Reused && !slices.Contains(candidate.DiffIDs, layer.DiffID) {
			return false
		}
	}
	return true
}

// missingByChain lists filesystem layers that the source has, but on other ones: the classic store knows a filesystem
// layer only together with all below it, so these must be sent.
func missingByChain(info *engine.Info, image *bundle.Image, source *engine.Image) map[oci.Digest]bool {
	if info.Store != engine.Classic {
		return nil
	}
	return movedByChain(image, source)
}

// movedByChain lists filesystem layers that the source has, but on other ones: every engine unpacks them anew.
func movedByChain(image *bundle.Image, source *engine.Image) map[oci.Digest]bool {
	moved := map[oci.Digest]bool{}
	common := 0
	for common < len(image.Layers) && common < len(source.DiffIDs) &&
		image.Layers[common].DiffID == source.DiffIDs[common] {
		common++
	}
	for _, layer := range image.Layers[common:] {
		if layer.Kind == bundle.Reused {
			moved[layer.DiffID] = true
		}
	}
	return moved
}
