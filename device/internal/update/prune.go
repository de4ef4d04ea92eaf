package update

import (
	"context"
	"errors"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// Prune removes the images of all but the last keep releases, the one that runs included. It tells what it removed.
func (u *Updater) Prune(ctx context.Context, project string, keep int) ([]string, error) {
	var removed []string
	_, err := u.locked(ctx, project, func(folder *state.Folder) (*Result, error) {
		journal, err := folder.Journal()
		if err != nil {
			return nil, err
		}
		if journal != nil {
			return nil, failure.Operation("removing old releases of "+project, "an update of it was interrupted",
				"`imgbuild-ota resume` finishes it")
		}
		if removed, err = u.prune(ctx, folder, keep); err != nil {
			return nil, err
		}
		return nil, sweepPackages(folder)
	})
	return removed, err
}

func (u *Updater) prune(ctx context.Context, folder *state.Folder, keep int) ([]string, error) {
	list, err := folder.Releases()
	if err != nil {
		return nil, err
	}
	if len(list.Discarded)+len(list.Unnamed) > 0 {
		u.removeDiscarded(ctx, list)
		if err := folder.SetReleases(list); err != nil {
			return nil, err
		}
	}
	if len(list.Releases) <= keep {
		return nil, nil
	}
	old, kept := list.Releases[:len(list.Releases)-keep], list.Releases[len(list.Releases)-keep:]
	needed := imagesOf(kept)
	var removed []string
	var stay []state.Release
	for _, release := range old {
		inUse := false
		for _, image := range release.Images {
			if needed[image.ID] {
				continue
			}
			err := u.removeImage(ctx, image)
			switch {
			case errors.Is(err, engine.ErrInUse):
				u.Log("%s of %s stays: %s", image.Name, release.Version, err)
				inUse = true
			case err != nil:
				return removed, err
			}
		}
		if inUse {
			stay = append(stay, release)
		} else {
			removed = append(removed, release.Version)
		}
	}
	list.Releases = append(stay, kept...)
	return removed, folder.SetReleases(list)
}

// removeImage removes an image and the names that updates gave it; a name that somebody else gave it keeps it.
func (u *Updater) removeImage(ctx context.Context, image state.Image) error {
	found, err := u.Engine.Inspect(ctx, image.ID)
	if err != nil || found == nil {
		return err
	}
	repository, tag := keptName(image.Name, image.ID)
	ours := map[string]bool{image.Reference: true, repository + ":" + tag: true}
	foreign := 0
	for _, name := range found.Tags {
		if !ours[name] {
			foreign++
			continue
		}
		if err := u.Engine.Remove(ctx, name); err != nil {
			return err
		}
	}
	if foreign > 0 {
		return nil
	}
	return u.Engine.Remove(ctx, image.ID)
}
