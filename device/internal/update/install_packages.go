package update

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"imgbuild/device/internal/dpkg"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// lockHost keeps apt and others away; it fails with dpkg.ErrBusy where they don't end.
func (u *Updater) lockHost(ctx context.Context) (release func(), err error) {
	return u.Host.Lock(ctx, u.Patience, func() { u.Log("waiting for another program that works on packages") })
}

// install the packages of the new release under the lock, which it releases, and note in the journal what comes next. What
// dpkg cannot do sends the release back.
func (u *Updater) install(ctx context.Context, folder *state.Folder, journal *state.Journal, release func()) error {
	defer release()
	failed := u.putPackages(ctx, folder, journal.To.Packages)
	if ctx.Err() != nil {
		return context.Cause(ctx) // `resume` goes on
	}
	journal.Step = state.Moving
	if failed != nil {
		u.Log("the packages of %s cannot be installed: %s", journal.To.Version, failed)
		journal.Step, journal.Because = state.Returning, failed.Error()
	}
	return folder.SetJournal(journal)
}

// putBack the packages of the old release that a change has touched.
func (u *Updater) putBack(ctx context.Context, folder *state.Folder, journal *state.Journal) error {
	wanted := packagesBefore(journal)
	if len(wanted) == 0 {
		return nil
	}
	release, err := u.lockHost(ctx)
	if err != nil {
		return err
	}
	defer release()
	return u.putPackages(ctx, folder, wanted)
}

// putPackages brings the packages of the host to what a release has, under the lock. What is so already is left alone, so that
// it can be done again after an interruption, which dpkg ends first.
func (u *Updater) putPackages(ctx context.Context, folder *state.Folder, wanted []state.Package) error {
	database, err := u.Host.Read()
	if err != nil {
		return err
	}
	broken := slices.ContainsFunc(wanted, func(each state.Package) bool {
		found := database.Find(each.Name, each.Architecture)
		return found != nil && !found.Complete()
	})
	if broken {
		u.Log("finishing what dpkg was interrupted in")
		if err := u.Host.Configure(ctx); err != nil {
			u.Log("%s", err) // what counts is whether the packages of the release are in place afterwards
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if database, err = u.Host.Read(); err != nil {
			return err
		}
	}
	var files, names, gone []string
	for _, each := range unlike(database, wanted) {
		if each.Version == "" {
			gone = append(gone, dpkg.Qualified(each.Name, database.Find(each.Name, each.Architecture).Architecture))
			continue
		}
		files = append(files, filepath.Join(folder.PackagesPath(), each.File))
		names = append(names, each.Name+" "+each.Version)
	}
	// First what goes: a new package may have taken files over from an old one, and break it as it was (Breaks, Replaces).
	var failed error
	if gone != nil {
		u.Log("removing %s", strings.Join(gone, ", "))
		failed = u.Host.Remove(ctx, gone)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // dpkg has ended what it was at
	}
	if files != nil {
		u.Log("installing %s", strings.Join(names, ", "))
		if err := u.Host.Install(ctx, files); failed == nil {
			failed = err
		}
	}
	if files == nil && gone == nil {
		return nil
	}
	if database, err = u.Host.Read(); err != nil {
		return err
	}
	other := unlike(database, wanted)
	switch {
	case len(other) > 0 && failed != nil:
		return failed
	case len(other) > 0:
		return failure.Operation("installing packages", fmt.Sprintf("%s is not in place afterwards", other[0].Name),
			"see /var/log/dpkg.log, and `dpkg --audit`")
	case failed != nil:
		u.Log("warning: %s; all packages are in place", failed)
	}
	return u.Host.Sync()
}

// unlike are the packages that are not as they should be, of those that can be brought there. What the owner holds stays as it
// is, unless it was left half-way.
func unlike(database dpkg.Database, wanted []state.Package) []state.Package {
	var other []state.Package
	for _, each := range wanted {
		found := database.Find(each.Name, each.Architecture)
		switch {
		case onHold(found):
			continue
		case each.Version == "" && found != nil:
		case each.Version != "" && each.File != "" && (found == nil || !found.Complete() || found.Version != each.Version):
		default:
			continue
		}
		other = append(other, each)
	}
	return other
}

func onHold(found *dpkg.Installed) bool {
	return found != nil && found.Want == "hold" && found.Complete()
}

// mergePackages has what is known of each package, by the newer list where both know it.
func mergePackages(older, newer []state.Package) []state.Package {
	merged := slices.DeleteFunc(slices.Clone(older), func(each state.Package) bool { return find(newer, each.Name) != nil })
	return append(merged, newer...)
}

func find(list []state.Package, name string) *state.Package {
	at := slices.IndexFunc(list, func(each state.Package) bool { return each.Name == name })
	if at < 0 {
		return nil
	}
	return &list[at]
}

// packagesBefore are those of the old release that a change has touched.
func packagesBefore(journal *state.Journal) []state.Package {
	return slices.DeleteFunc(slices.Clone(journal.From.Packages), func(each state.Package) bool {
		return find(journal.To.Packages, each.Name) == nil
	})
}
