// Package update turns the old images of a device into those of a bundle, in an order in which every step can be cut off
// and done again: until the new release has proven itself, the old one is what it was.
package update

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/lock"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/state"
)

// Updater of one device.
type Updater struct {
	Engine *engine.Client
	// State is the folder of all projects; temporary files lie there, too.
	State  string
	Codecs delta.Codecs
	Budget memory.Budget
	// Service of a project: what is restarted and how it proves itself.
	Service func(project string) Service
	// Host is the device's own packages; Packages says which of a release's an update looks after: those that are installed
	// where it is nil.
	Host     dpkg.System
	Packages func(project string) Policy
	// Keep is how many releases stay on the device, the one that runs included.
	Keep int
	// Patience is how long another update is waited for.
	Patience time.Duration
	// Log tells what is being done, one line each.
	Log func(format string, arguments ...any)
}

// Outcome of a change.
type Outcome string

// Outcomes.
const (
	// Updated: another release runs now.
	Updated Outcome = "updated"
	// Unchanged: it ran already, or nothing was under way.
	Unchanged Outcome = "unchanged"
	// Cleaned: an update that had not got far was undone.
	Cleaned Outcome = "cleaned"
)

// Result of a change.
type Result struct {
	Name    string        `json:"name"`
	Version string        `json:"version"`
	Outcome Outcome       `json:"outcome"`
	Images  []state.Image `json:"images"`
}

// locked runs work while nobody else changes the project.
func (u *Updater) locked(ctx context.Context, project string, work func(*state.Folder) (*Result, error)) (*Result, error) {
	folder, err := state.Open(u.State, project)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder.Path, 0o755); err != nil {
		return nil, err
	}
	held, err := lock.Acquire(ctx, folder.Lock(), lock.Options{
		Patience: u.Patience,
		OnWait:   func(pid int) { u.Log("waiting for another update (process %d)", pid) },
	})
	if err != nil {
		return nil, err
	}
	defer held.Release()
	if err := folder.Sweep(); err != nil {
		return nil, err
	}
	return work(folder)
}

// projectOf is the bundle's project, else the last part of its first image's name.
func projectOf(images []bundle.Image) string {
	for _, image := range images {
		if image.Name != "" {
			return image.Name
		}
	}
	name := nameOf(&images[0])
	for at := len(name) - 1; at >= 0; at-- {
		if name[at] == '/' {
			return name[at+1:]
		}
	}
	return name
}

func nameOf(image *bundle.Image) string {
	if image.Reference == "" {
		return "image"
	}
	repository, _ := engine.SplitReference(image.Reference)
	return repository
}

func versionOf(images []bundle.Image) string {
	for _, image := range images {
		if image.To != "" {
			return image.To
		}
	}
	if images[0].Reference == "" {
		return string(images[0].Config.Descriptor.Digest)
	}
	_, tag := engine.SplitReference(images[0].Reference)
	return tag
}

// target is the release that the bundle makes, without the IDs that its images get.
func target(images []bundle.Image) state.Release {
	current := &state.Current{Schema: 1, Version: versionOf(images), Images: map[string]state.CurrentImage{}}
	release := state.Release{Version: current.Version, Current: current}
	for at := range images {
		image := &images[at]
		config, platform := image.Config.Descriptor.Digest, image.Platform.String()
		current.Images[nameOf(image)] = state.CurrentImage{Config: config, Platform: platform}
		release.Images = append(release.Images, state.Image{
			Name: nameOf(image), Reference: image.Reference, Config: config, Platform: platform})
	}
	return release
}

func sameDiffIDs(image *engine.Image, ids []oci.Digest) bool { return slices.Equal(image.DiffIDs, ids) }

// short is enough of a digest for people.
func short(id string) string {
	if len(id) > 19 {
		return id[:19]
	}
	return id
}

func plural(count int, what string) string {
	if count == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", count, what)
}
