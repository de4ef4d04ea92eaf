package update

import (
	"fmt"
	"slices"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/state"
)

// passOver deltas of the release that is installed that could not be applied, before anything is downloaded: they make packages
// from files that this device has not, or has altered.
func (f *followed) passOver() error {
	if f.policy(f.folder.Name) == NoPackages || f.installed == f.document.Version {
		return nil
	}
	_, deltas := f.document.On(f.platform)
	var database dpkg.Database
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
		reason, err := f.unusable(each, database)
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
func (f *followed) unusable(delta channel.Delta, database dpkg.Database) (reason, err error) {
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
				path, err := f.Host.Altered(found)
				if err != nil {
					return nil, err
				}
				if path == "" {
					continue
				}
				has = fmt.Sprintf("has another %s: install %s %s again", path, each.Name, each.Version)
			}
		}
		return fmt.Errorf("%s makes the package %s from the files of version %s, and this device %s", delta.File, each.Name, each.Version, has), nil
	}
	return nil, nil
}

// isThere tells whether a package is what the channel's release has already.
func (f *followed) isThere(found *dpkg.Installed) bool {
	return found != nil && slices.ContainsFunc(f.document.Packages, func(each channel.Package) bool {
		return each.Name == found.Name && each.Version == found.Version
	})
}
