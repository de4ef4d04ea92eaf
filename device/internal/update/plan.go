package update

import (
	"context"
	"reflect"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/state"
)

// application of one bundle.
type application struct {
	*Updater
	bundle *bundle.Bundle
	images []bundle.Image
	folder *state.Folder
	info   *engine.Info

	to    state.Release
	plans []plan
	// distrust what is loaded until all of it has been read.
	distrust bool
}

// plan for one image.
type plan struct {
	image *bundle.Image
	// present in the engine already, as it should be.
	present *engine.Image
	// sources that it may be made from, the likeliest first.
	sources []*engine.Image
	// wanted is what its deltas read from.
	wanted *wanted
}

func (a *application) close() {
	for _, plan := range a.plans {
		if plan.wanted != nil {
			plan.wanted.close()
		}
	}
}

// plan finds out what there is of each image.
func (a *application) plan(ctx context.Context) error {
	list, err := a.folder.Releases()
	if err != nil {
		return err
	}
	for at := range a.images {
		plan := plan{image: &a.images[at]}
		if plan.present, err = a.findPresent(ctx, plan.image, list); err != nil {
			return err
		}
		if plan.present != nil {
			a.to.Images[at].ID = plan.present.ID
		}
		if plan.image.Source != nil {
			// Also of an image that is there: it is what to go back to.
			plan.sources, err = a.findSources(ctx, a.info, plan.image)
			if err != nil && plan.present == nil {
				return err
			}
		}
		a.plans = append(a.plans, plan)
	}
	return nil
}

// findPresent looks for the target itself: by its ID, or by what it was called when it was put in place before.
func (a *application) findPresent(ctx context.Context, image *bundle.Image, list *state.Releases) (*engine.Image, error) {
	// What a power cut may have damaged is loaded again, and read, unless it was in place before.
	_, lost, err := a.folder.Unsynced()
	if err != nil {
		return nil, err
	}
	config := image.Config.Descriptor.Digest
	ids := []string{string(config)}
	if a.info.Store == engine.Containerd {
		ids = []string{string(image.Manifest.Descriptor.Digest)}
		for _, release := range list.Releases {
			for _, each := range release.Images {
				if each.Config == config {
					ids = append(ids, each.ID)
				}
			}
		}
	}
	for _, id := range ids {
		found, err := a.Engine.Inspect(ctx, id)
		if err != nil {
			return nil, err
		}
		if found == nil || !sameDiffIDs(found, image.DiffIDs()) || lost && !recorded(list, id) {
			continue
		}
		if a.Engine.TryContainer(ctx, found.ID) == nil {
			return found, nil
		}
	}
	return nil, nil
}

// recorded tells whether an image belongs to a release that was in place.
func recorded(list *state.Releases, id string) bool {
	for _, release := range list.Releases {
		for _, each := range release.Images {
			if each.ID == id {
				return true
			}
		}
	}
	return false
}

// inPlace tells whether every image is there under its name.
func (a *application) inPlace(ctx context.Context) (bool, error) {
	for at, plan := range a.plans {
		if plan.present == nil {
			return false, nil
		}
		reference := a.to.Images[at].Reference
		if reference == "" {
			continue
		}
		named, err := a.Engine.Inspect(ctx, reference)
		if err != nil || named == nil || named.ID != plan.present.ID {
			return false, err
		}
	}
	return true, nil
}

// from is the release that runs now.
func (a *application) from(current *state.Current) (state.Release, error) {
	list, err := a.folder.Releases()
	if err != nil {
		return state.Release{}, err
	}
	if count := len(list.Releases); count > 0 && reflect.DeepEqual(list.Releases[count-1].Current, current) {
		return list.Releases[count-1], nil
	}
	release := state.Release{Current: current}
	for at, plan := range a.plans {
		if release.Version == "" {
			release.Version = plan.image.From
		}
		if len(plan.sources) == 0 {
			continue
		}
		found := plan.sources[0]
		release.Images = append(release.Images, state.Image{
			Name:      a.to.Images[at].Name,
			Reference: referenceOf(found, a.to.Images[at].Name),
			Config:    plan.image.Source.Config,
			Platform:  plan.image.Platform.String(),
			ID:        found.ID,
		})
	}
	if current != nil {
		release.Version = current.Version
	}
	return release, nil
}

// referenceOf is the tag of an image that belongs to a repository.
func referenceOf(image *engine.Image, repository string) string {
	for _, tag := range image.Tags {
		if found, _ := engine.SplitReference(tag); found == repository {
			return tag
		}
	}
	return ""
}
