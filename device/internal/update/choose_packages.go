package update

import (
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/dpkg"
)

// Policy says which of a release's host packages an update looks after.
type Policy string

// Policies.
const (
	// InstalledPackages: those that the device has, and those of the release that they need.
	InstalledPackages Policy = "installed"
	// AllPackages of the release.
	AllPackages Policy = "all"
	// NoPackages: the owner of the device looks after them.
	NoPackages Policy = "none"
)

// choosePackages that an update looks after. What the owner holds stays as it is, and is told.
func choosePackages(listed []bundle.Package, database dpkg.Database, policy Policy) (chosen []bundle.Package, held []string) {
	for _, each := range listed {
		found := database.Find(each.Name, each.Architecture)
		switch {
		case policy == NoPackages || found == nil && policy != AllPackages:
		case found != nil && found.Want == "hold":
			held = append(held, each.Name)
		default:
			chosen = append(chosen, each)
		}
	}
	return chosen, held
}

// neededPackages of the release are those that a package depends on, that the device lacks, and that are not chosen yet.
func neededPackages(archive *dpkg.Archive, listed, chosen []bundle.Package, database dpkg.Database) []bundle.Package {
	find := func(list []bundle.Package, name string) int {
		return slices.IndexFunc(list, func(each bundle.Package) bool { return each.Name == name })
	}
	var needed []bundle.Package
	for _, alternatives := range archive.Needs() {
		candidate := -1
		for _, name := range alternatives {
			if database.Find(name, archive.Architecture) != nil || find(chosen, name) >= 0 || find(needed, name) >= 0 {
				candidate = -1
				break
			}
			if at := find(listed, name); at >= 0 && candidate < 0 {
				candidate = at
			}
		}
		if candidate >= 0 {
			needed = append(needed, listed[candidate])
		}
	}
	return needed
}

// changesPackages tells whether the release has packages that this device has in other versions, or lacks.
func (f *followed) changesPackages() (bool, error) {
	policy := f.policy(f.folder.Name)
	if len(f.document.Packages) == 0 || policy == NoPackages {
		return false, nil
	}
	database, err := f.Host.Read()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(f.document.Packages, func(each channel.Package) bool {
		found := database.Find(each.Name, each.Architecture)
		if found == nil {
			return policy == AllPackages && database.Takes(each.Architecture)
		}
		return found.Want != "hold" && (found.Version != each.Version || !found.Complete())
	}), nil
}
