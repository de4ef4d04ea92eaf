package update

import (
	"context"
	"maps"
	"os"
	"reflect"
	"slices"
	"time"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

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
