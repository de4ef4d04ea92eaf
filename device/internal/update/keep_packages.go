package update

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/state"
)

// makePackagesFolder for the owner alone: packages have files that others may not read, once they are installed.
func makePackagesFolder(folder *state.Folder) error {
	if err := os.MkdirAll(folder.PackagesPath(), 0o700); err != nil {
		return err
	}
	return os.Chmod(folder.PackagesPath(), 0o700) // it may be older
}

// keepReplaced makes a package of what is installed, where no update has left the file that it was installed from.
func (u *Updater) keepReplaced(folder *state.Folder, each *dpkg.Installed) (file string, err error) {
	u.Log("keeping the package %s %s", each.Name, each.Version)
	file = fmt.Sprintf("%s_%s_%s.rebuilt.deb", each.Name, strings.ReplaceAll(each.Version, ":", "%3a"), each.Architecture)
	return file, u.Host.Rebuild(filepath.Join(folder.PackagesPath(), file), each)
}

// keptFile of a package that was installed by an update; "" where there is none.
func keptFile(folder *state.Folder, list *state.Releases, wanted state.Package) string {
	for _, release := range list.Releases {
		for _, each := range release.Packages {
			if each.Name != wanted.Name || each.Architecture != wanted.Architecture || each.Version != wanted.Version || each.File == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(folder.PackagesPath(), each.File)); err == nil {
				return each.File
			}
		}
	}
	return ""
}

// sweepPackages removes the files of packages that no release and no change needs any more.
func sweepPackages(folder *state.Folder) error {
	entries, err := os.ReadDir(folder.PackagesPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := folder.Releases()
	if err != nil {
		return err
	}
	releases := list.Releases
	journal, err := folder.Journal()
	if err != nil {
		return err
	}
	if journal != nil {
		releases = append(slices.Clone(releases), journal.From, journal.To)
	}
	left := 0
	for _, entry := range entries {
		needed := slices.ContainsFunc(releases, func(release state.Release) bool {
			return slices.ContainsFunc(release.Packages, func(each state.Package) bool { return each.File == entry.Name() })
		})
		if needed {
			left++
			continue
		}
		if err := os.RemoveAll(filepath.Join(folder.PackagesPath(), entry.Name())); err != nil {
			return err
		}
	}
	if left == 0 {
		return os.Remove(folder.PackagesPath())
	}
	return nil
}

// sweep after a change that is over: what stays is no reason to call it failed.
func (u *Updater) sweep(folder *state.Folder) {
	if err := sweepPackages(folder); err != nil {
		u.Log("warning: packages that nothing needs could not be removed: %s", err)
	}
}
