package update

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// goBack gives the old release its place back after the new one did not prove itself.
func (u *Updater) goBack(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) error {
	u.Log("going back to %s", releaseName(journal.From))
	because := fmt.Sprintf("it does not work (%s); %s is back", journal.Because, releaseName(journal.From))
	unpacked := u.putBack(ctx, folder, journal)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if unpacked != nil {
		because += ", without its packages: " + unpacked.Error()
	}
	for _, tag := range journal.Tags {
		repository, name := engine.SplitReference(tag.Reference)
		if tag.ID != "" {
			if err := u.Engine.Tag(ctx, tag.ID, repository, name); err != nil {
				return err
			}
		}
	}
	if err := u.sync(info); err != nil {
		return err
	}
	if err := folder.SetCurrent(journal.From.Current); err != nil {
		return err
	}
	doing := "updating to " + journal.To.Version
	failed := u.prove(ctx, u.Service(folder.Name))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if failed != nil {
		because += ", and does not work either: " + failed.Error()
	}
	if errors.Is(unpacked, dpkg.ErrBusy) {
		return failure.Operation(doing, because, "run `imgbuild-ota resume` later: it puts the packages back")
	}
	if err := u.discard(ctx, folder, journal); err != nil {
		return err
	}
	if err := folder.Leave(journal.To.Version, ""); err != nil {
		return err
	}
	if err := folder.SetJournal(nil); err != nil {
		return err
	}
	u.sweep(folder)
	return failure.Operation(doing, because, "see what the service said; the same file may be applied again")
}

func releaseName(release state.Release) string {
	if release.Version == "" {
		return "the old release"
	}
	return release.Version
}

// discard removes the images of a release that did not prove itself, and notes those that a container still needs.
func (u *Updater) discard(ctx context.Context, folder *state.Folder, journal *state.Journal) error {
	list, err := folder.Releases()
	if err != nil {
		return err
	}
	known := len(list.Discarded)
	for _, image := range append(slices.Clone(journal.To.Images), journal.Passing...) {
		if slices.Contains(journal.Loaded, image.ID) {
			list.Discarded = append(list.Discarded, image)
		}
	}
	u.removeDiscarded(ctx, list)
	if known == 0 && len(list.Discarded) == 0 {
		return nil
	}
	return folder.SetReleases(list)
}

// removeDiscarded tries again, and keeps what is still in use.
func (u *Updater) removeDiscarded(ctx context.Context, list *state.Releases) {
	needed := imagesOf(list.Releases)
	list.Discarded = slices.DeleteFunc(list.Discarded, func(image state.Image) bool {
		if needed[image.ID] {
			return true
		}
		err := u.removeImage(ctx, image)
		if err != nil {
			u.Log("%s stays for now: %s", short(image.ID), err)
		}
		return err == nil
	})
	list.Unnamed = slices.DeleteFunc(list.Unnamed, func(id string) bool { return needed[id] || u.Engine.Remove(ctx, id) == nil })
}

func imagesOf(releases []state.Release) map[string]bool {
	ids := map[string]bool{}
	for _, release := range releases {
		for _, image := range release.Images {
			ids[image.ID] = true
		}
	}
	return ids
}
