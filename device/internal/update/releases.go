package update

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// Rollback puts the release back that ran before the one that runs.
func (u *Updater) Rollback(ctx context.Context, project string) (*Result, error) {
	return u.locked(ctx, project, func(folder *state.Folder) (*Result, error) {
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		if result, err := u.endInterrupted(ctx, folder, info, ""); result != nil || err != nil {
			return result, err
		}
		from, to, err := neighbours(folder)
		if err != nil {
			return nil, err
		}
		for _, image := range to.Images {
			found, err := u.Engine.Inspect(ctx, image.ID)
			if err != nil {
				return nil, err
			}
			if found == nil || u.Engine.TryContainer(ctx, image.ID) != nil {
				return nil, failure.Operation("going back to "+to.Version,
					fmt.Sprintf("its image %s is no longer in %s", short(image.ID), u.Engine),
					"apply a bundle of that release")
			}
		}
		return u.moveTo(ctx, folder, info, &state.Journal{From: *from, To: *to})
	})
}

// moveTo a release whose images are all there.
func (u *Updater) moveTo(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) (_ *Result, err error) {
	journal.Schema, journal.Step = 1, state.Moving
	host, err := u.planReturn(ctx, folder, journal.To.Packages)
	if err != nil {
		return nil, errors.Join(err, sweepPackages(folder))
	}
	if journal.Tags, err = u.movingTags(ctx, journal.To.Images); err != nil {
		return nil, err
	}
	if host.changes {
		release, err := u.lockHost(ctx)
		if err != nil {
			return nil, errors.Join(err, sweepPackages(folder))
		}
		defer release()
		journal.Step = state.Installing
		journal.To.Packages, journal.From.Packages = host.to, mergePackages(journal.From.Packages, host.from)
		if err := folder.SetJournal(journal); err != nil {
			return nil, err
		}
		if err := u.install(ctx, folder, journal, release); err != nil {
			return nil, err
		}
	} else if err := folder.SetJournal(journal); err != nil {
		return nil, err
	}
	return u.carryOn(ctx, folder, info, journal)
}

// planReturn to packages that were in place before.
func (u *Updater) planReturn(ctx context.Context, folder *state.Folder, wanted []state.Package) (*hostPlan, error) {
	if len(wanted) == 0 || u.policy(folder.Name) == NoPackages {
		return &hostPlan{}, nil
	}
	database, err := u.Host.Read()
	if err != nil {
		return nil, err
	}
	return u.planHost(ctx, folder, database, wanted)
}

// neighbours are the release that runs and the one before it.
func neighbours(folder *state.Folder) (from, to *state.Release, err error) {
	list, err := folder.Releases()
	if err != nil {
		return nil, nil, err
	}
	current, err := folder.Current()
	if err != nil {
		return nil, nil, err
	}
	count := len(list.Releases)
	if count < 2 || !reflect.DeepEqual(list.Releases[count-1].Current, current) {
		return nil, nil, failure.Operation("going back", "no older release of "+folder.Name+" is kept on this device",
			"apply a bundle of the release that should run")
	}
	return &list.Releases[count-1], &list.Releases[count-2], nil
}

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

// Status of one project.
type Status struct {
	Name string `json:"name"`
	// Version that runs; "" where no update has been put in place.
	Version string `json:"version,omitempty"`
	// Images of it.
	Images []ImageStatus `json:"images"`
	// Packages of the host that belong to it.
	Packages []PackageStatus `json:"packages,omitempty"`
	// Previous is what `rollback` puts back.
	Previous string `json:"previous,omitempty"`
	// Kept releases, the oldest first.
	Kept []string `json:"kept"`
	// Interrupted is the step of a change that has not come to its end, and the version that it goes to.
	Interrupted *Interrupted `json:"interrupted,omitempty"`
	// Channels that it follows, as they were when they were asked last.
	Channels []ChannelStatus `json:"channels,omitempty"`
}

// ChannelStatus is what is remembered of a channel.
type ChannelStatus struct {
	Name string `json:"name"`
	channel.Seen
	// Left says that this device went back from its version.
	Left bool `json:"left,omitempty"`
	// Warning tells that it has to be signed anew.
	Warning string `json:"warning,omitempty"`
}

func channelStatus(known *state.Channels, clock time.Time) []ChannelStatus {
	if known == nil {
		return nil
	}
	var found []ChannelStatus
	for _, name := range slices.Sorted(maps.Keys(known.Channels)) {
		seen := known.Channels[name]
		found = append(found, ChannelStatus{Name: name, Seen: seen, Left: slices.Contains(known.Left, seen.Version),
			Warning: Expiry(name, seen.Expires, channel.Now(clock, seen.Issued))})
	}
	return found
}

// ImageStatus says whether an image of the release is there.
type ImageStatus struct {
	state.Image
	Present bool `json:"present"`
}

// PackageStatus says what of a package is there.
type PackageStatus struct {
	state.Package
	// Installed is the version that is there, whole and configured; "" where none is.
	Installed string `json:"installed,omitempty"`
}

func (u *Updater) packageStatus(wanted []state.Package) ([]PackageStatus, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	database, err := u.Host.Read()
	if err != nil {
		return nil, err
	}
	var found []PackageStatus
	for _, each := range wanted {
		if each.Version == "" {
			continue // it was not there
		}
		status := PackageStatus{Package: each}
		if installed := database.Find(each.Name, each.Architecture); installed != nil && installed.Complete() {
			status.Installed = installed.Version
		}
		found = append(found, status)
	}
	return found, nil
}

// Interrupted change.
type Interrupted struct {
	Step state.Step `json:"step"`
	To   string     `json:"to"`
}

// Status reads what there is, without changing anything or waiting for anybody.
func (u *Updater) Status(ctx context.Context, project string) (*Status, error) {
	folder, err := state.Open(u.State, project)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(folder.Path); err != nil {
		return nil, failure.Input("looking for "+project, "this device has no such project", "see `imgbuild-ota status`")
	}
	status := &Status{Name: project, Images: []ImageStatus{}, Kept: []string{}}
	current, err := folder.Current()
	if err != nil {
		return nil, err
	}
	if current != nil {
		status.Version = current.Version
	}
	journal, err := folder.Journal()
	if err != nil {
		return nil, err
	}
	if journal != nil {
		status.Interrupted = &Interrupted{journal.Step, journal.To.Version}
	}
	known, err := folder.Channels()
	if err != nil {
		return nil, err
	}
	status.Channels = channelStatus(known, time.Now())
	list, err := folder.Releases()
	if err != nil {
		return nil, err
	}
	for _, release := range list.Releases {
		status.Kept = append(status.Kept, release.Version)
	}
	if _, to, err := neighbours(folder); err == nil {
		status.Previous = to.Version
	}
	if count := len(list.Releases); count > 0 && reflect.DeepEqual(list.Releases[count-1].Current, current) {
		for _, image := range list.Releases[count-1].Images {
			found, err := u.Engine.Inspect(ctx, image.ID)
			if err != nil {
				return nil, err
			}
			status.Images = append(status.Images, ImageStatus{image, found != nil && found.Damaged == ""})
		}
		status.Packages, err = u.packageStatus(list.Releases[count-1].Packages)
	}
	return status, err
}
