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
			present = present && found != nil
		}
		if present && release.Version != "" {
			f.from = append(f.from, release.Version)
		}
		if present && !running && release.Version == f.document.Version && release.Current != nil {
			f.kept = release
		}
	}
	if current != nil {
		f.installed = current.Version
		complete = slices.Contains(f.from, current.Version)
		if len(list.Releases) == 0 {
			// Put in place by another program: its images are looked for when a bundle is applied.
			f.from, complete = append(f.from, current.Version), true
		}
		return complete, nil
	}
	versions, err := f.taggedVersions(ctx)
	for _, each := range versions {
		if order, ok := version.Compare(f.installed, each); f.installed == "" || ok && order < 0 {
			f.installed = each
		}
	}
	f.from = append(f.from, versions...)
	return false, err
}

// taggedVersions are those of which Docker has every image, as releases and bundles call them: NAME:VERSION.
func (f *followed) taggedVersions(ctx context.Context) ([]string, error) {
	images, _ := f.document.On(f.platform)
	tags, err := f.Engine.Tags(ctx)
	if err != nil || len(images) == 0 {
		return nil, err
	}
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
