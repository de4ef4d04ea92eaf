package update

import (
	"context"
	"reflect"
	"slices"
	"strings"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/state"
	"imgbuild/device/internal/version"
)

// findInstalled says which versions the device has, and whether the one that runs is there as a whole.
func (f *followed) findInstalled(ctx context.Context, current *state.Current, list *state.Releases) (complete bool, err error) {
	for at := range list.Releases {
		release := &list.Releases[at]
		running := at == len(list.Releases)-1 && reflect.DeepEqual(release.Current, current)
		if running {
			f.running = release
		}
		present := true
		for _, image := range release.Images {
			found, err := f.Engine.Inspect(ctx, image.ID)
			if err != nil {
				return false, err
			}
			present = present && found != nil && found.Damaged == ""
		}
		if present && release.Version != "" {
			f.from = append(f.from, release.Version)
		}
		if present && !running && release.Version == f.document.Version && f.isSigned(release) {
			f.kept = release
		}
	}
	if current != nil || f.running != nil && f.running.Version != "" {
		// Without a file current it is the packaged release that runs, which the list knows once it was put back.
		if current != nil {
			f.installed = current.Version
		} else {
			f.installed = f.running.Version
		}
		complete = slices.Contains(f.from, f.installed)
		if len(list.Releases) == 0 {
			// Put in place by another program: its images are looked for when a bundle is applied.
			f.from, complete = append(f.from, f.installed), true
		}
		return complete, nil
	}
	versions, err := f.taggedVersions(ctx, list)
	for _, each := range versions {
		if order, ok := version.Compare(f.installed, each); f.installed == "" || ok && order < 0 {
			f.installed = each
		}
	}
	f.from = append(f.from, versions...)
	return f.installed != "", err
}

// isSigned tells whether a release has the images that the document names: others may have had the same version.
func (f *followed) isSigned(release *state.Release) bool {
	images, _ := f.document.On(f.platform)
	return release.Current != nil && !slices.ContainsFunc(images, func(image channel.Image) bool {
		return release.Current.Images[nameOnDevice(image)].Config != image.Config
	})
}

// taggedVersions are those of which Docker has every image, as releases and bundles call them: NAME:VERSION. What is left of a
// release that did not work does not count.
func (f *followed) taggedVersions(ctx context.Context, list *state.Releases) ([]string, error) {
	images, _ := f.document.On(f.platform)
	tags, err := f.Engine.Tags(ctx)
	if err != nil || len(images) == 0 {
		return nil, err
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool {
		return slices.ContainsFunc(list.Discarded, func(image state.Image) bool { return image.Reference == tag })
	})
	var versions []string
	for _, tag := range tags {
		repository, name := engine.SplitReference(tag)
		each := strings.Replace(name, "_", "+", 1)
		if _, ok := version.Compare(each, each); !ok || repository != nameOnDevice(images[0]) {
			continue
		}
		all := !slices.ContainsFunc(images, func(image channel.Image) bool {
			return !slices.Contains(tags, nameOnDevice(image)+":"+name)
		})
		if all {
			versions = append(versions, each)
		}
	}
	return versions, nil
}
