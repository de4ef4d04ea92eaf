package update

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/state"
)

// passOver deltas of the release that is installed that could not be applied, before anything is downloaded: they make packages
// from files that this device has not, or has altered.
func (f *followed) passOver(ctx context.Context) error {
	if f.policy(f.folder.Name) == NoPackages || f.installed == f.document.Version {
		return nil
	}
	_, deltas := f.document.On(f.platform)
	var database dpkg.Database
	altered := f.alteredFiles(ctx)
	for _, each := range deltas {
		if each.From != f.installed || len(each.Packages) == 0 {
			continue
		}
		if database == nil {
			var err error
			if database, err = f.Host.Read(); err != nil {
				return err
			}
		}
		reason, err := f.unusable(each, database, altered)
		if err != nil {
			return err
		}
		if reason != nil {
			f.tried[each.File] = true
			f.passed = append(f.passed, reason)
		}
	}
	return nil
}

// unusable says why packages of a delta cannot be made here; nil where they can, as far as that is to be seen.
func (f *followed) unusable(
	delta channel.Delta, database dpkg.Database, altered func(*dpkg.Installed) (string, error),
) (reason, err error) {
	list, err := f.folder.Releases()
	if err != nil {
		return nil, err
	}
	for _, each := range delta.Packages {
		found := database.Find(each.Name, each.Architecture)
		if found == nil && f.policy(f.folder.Name) != AllPackages || onHold(found) || f.isThere(found) {
			continue
		}
		if keptFile(f.folder, list, state.Package{Name: each.Name, Architecture: each.Architecture, Version: each.Version}) != "" {
			continue
		}
		has := "does not have it"
		if found != nil {
			has = "has " + found.Version
			if found.Version == each.Version {
				path, err := altered(found)
				if err != nil {
					return nil, err
				}
				if path == "" {
					continue
				}
				has = fmt.Sprintf("has another %.200q: install %s %s again", path, each.Name, each.Version)
			}
		}
		return fmt.Errorf("%s makes the package %s from the files of version %s, and this device %s", delta.File, each.Name, each.Version, has), nil
	}
	return nil, nil
}

// alteredFiles is the first altered file of a package, "" where there is none. Packages are read once each, whatever many deltas
// are made from them. Who may not read a file does not see that it was altered.
func (f *followed) alteredFiles(ctx context.Context) func(*dpkg.Installed) (string, error) {
	known := map[*dpkg.Installed]string{}
	return func(installed *dpkg.Installed) (string, error) {
		if file, ok := known[installed]; ok {
			return file, nil
		}
		file, err := f.Host.Altered(ctx, installed)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return "", err
		}
		known[installed] = file
		return file, nil
	}
}

// isThere tells whether a package is what the channel's release has already.
func (f *followed) isThere(found *dpkg.Installed) bool {
	return found != nil && slices.ContainsFunc(f.document.Packages, func(each channel.Package) bool {
		return each.Name == found.Name && each.Version == found.Version
	})
}
