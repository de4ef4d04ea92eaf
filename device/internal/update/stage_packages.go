package update

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// hostPlan is what a change does to the packages of the host.
type hostPlan struct {
	// to is what they are to be, from what they were; of the same packages.
	to, from []state.Package
	// changes tells whether the two differ.
	changes bool
}

func (u *Updater) policy(project string) Policy {
	if u.Packages == nil {
		return InstalledPackages
	}
	return u.Packages(project)
}

// planPackages brings all packages that the last of several bundles asks for onto the disk, proven, and keeps those that they
// replace. Nothing on the device is changed before all of it is known to work.
func (u *Updater) planPackages(ctx context.Context, folder *state.Folder, row []*bundle.Bundle) (*hostPlan, error) {
	listed, err := row[len(row)-1].Packages()
	if err != nil || len(listed) == 0 || u.policy(folder.Name) == NoPackages {
		return &hostPlan{}, err
	}
	database, err := u.Host.Read()
	if err != nil {
		return nil, err
	}
	chosen, held := choosePackages(listed, database, u.policy(folder.Name))
	for _, name := range held {
		u.logHeld(name)
	}
	s := &staging{Updater: u, folder: folder, database: database}
	if err := s.findCarried(row); err != nil {
		return nil, err
	}
	for at := 0; at < len(chosen); at++ {
		archive, err := s.stage(ctx, chosen[at])
		if err != nil {
			return nil, err
		}
		if archive != nil {
			chosen = append(chosen, neededPackages(archive, listed, chosen, database)...)
		}
	}
	return u.planHost(ctx, folder, database, s.to)
}

// staging brings packages out of bundles onto the disk.
type staging struct {
	*Updater
	folder   *state.Folder
	database dpkg.Database
	// carried is what the bundles have of packages.
	carried []carriedPackage
	to      []state.Package
}

// carriedPackage of a bundle.
type carriedPackage struct {
	bundle.Package
	in *bundle.Bundle
}

func (s *staging) findCarried(row []*bundle.Bundle) error {
	for _, b := range row {
		listed, err := b.Packages()
		if err != nil {
			return err
		}
		for _, each := range listed {
			if each.Blob != nil {
				s.carried = append(s.carried, carriedPackage{each, b})
			}
		}
	}
	return nil
}

// stage one package; nil where it is on the device already.
func (s *staging) stage(ctx context.Context, wanted bundle.Package) (*dpkg.Archive, error) {
	to := state.Package{Name: wanted.Name, Architecture: wanted.Architecture, Version: wanted.Version}
	found := s.database.Find(wanted.Name, wanted.Architecture)
	if found != nil && found.Complete() && found.Version == wanted.Version {
		s.to = append(s.to, to)
		return nil, nil
	}
	file, err := s.bring(ctx, wanted)
	if err != nil {
		return nil, err
	}
	to.File = file
	archive, err := s.Host.Open(ctx, filepath.Join(s.folder.PackagesPath(), file))
	if err != nil {
		return nil, err
	}
	if archive.Name != wanted.Name || archive.Version != wanted.Version || archive.Architecture != wanted.Architecture {
		return nil, failure.Input("reading the bundle", fmt.Sprintf("its package %s %s %s is %s %s %s", wanted.Name,
			wanted.Version, wanted.Architecture, archive.Name, archive.Version, archive.Architecture), "make it with `imgbuild ota diff`")
	}
	s.to = append(s.to, to)
	return archive, nil
}

// planHost finds out whether dpkg would put packages in place, and keeps those that they replace. What is wanted and no file
// is kept of is left as it is.
func (u *Updater) planHost(ctx context.Context, folder *state.Folder, database dpkg.Database, wanted []state.Package) (*hostPlan, error) {
	list, err := folder.Releases()
	if err != nil {
		return nil, err
	}
	plan := &hostPlan{}
	var archives []*dpkg.Archive
	var replaced []*dpkg.Installed
	var leaving []string
	unpacked, kept := int64(0), int64(0)
	for _, each := range wanted {
		found := database.Find(each.Name, each.Architecture)
		before := state.Package{Name: each.Name, Architecture: each.Architecture}
		if found != nil {
			before.Architecture, before.Version = found.Architecture, found.Version
		}
		same := each.Version == before.Version && (found == nil || found.Complete())
		switch {
		case same:
		case onHold(found):
			u.logHeld(each.Name)
			continue
		case each.Version == "":
			leaving = append(leaving, dpkg.Qualified(found.Name, found.Architecture))
		case each.File == "":
			u.Log("the package %s stays as it is: %s of it is not kept on this device", each.Name, each.Version)
			continue
		default:
			archive, err := u.Host.Open(ctx, filepath.Join(folder.PackagesPath(), each.File))
			if err != nil {
				return nil, err
			}
			archives = append(archives, archive)
			unpacked += archive.Size
		}
		before.File = keptFile(folder, list, before)
		if same {
			each.File = before.File
		} else if found != nil && before.File == "" {
			replaced = append(replaced, found)
			kept += found.Size
		}
		plan.changes = plan.changes || !same
		plan.to, plan.from = append(plan.to, each), append(plan.from, before)
	}
	if !plan.changes {
		return plan, nil
	}
	if u.Host.Root == "" && os.Geteuid() != 0 {
		return nil, failure.Operation("installing packages", "only root may", "run it as root, or write `packages = none` into the configuration")
	}
	if err := checkSpace([]need{{folder.Path, kept}, {"/" + u.Host.Root, unpacked}}); err != nil {
		return nil, err
	}
	if err := makePackagesFolder(folder); err != nil {
		return nil, err
	}
	if err := u.Host.Foresee(ctx, folder.PackagesPath(), archives, leaving); err != nil {
		return nil, err
	}
	for _, each := range replaced {
		file, err := u.keepReplaced(folder, each)
		if err != nil {
			return nil, failure.During("keeping the package "+each.Name, err)
		}
		find(plan.from, each.Name).File = file
	}
	return plan, nil
}

func (u *Updater) logHeld(name string) { u.Log("the package %s is on hold: it stays as it is", name) }
