package update

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/state"
)

// Images reads what a bundle makes, once its signature has been judged.
func (u *Updater) Images(b *bundle.Bundle) ([]bundle.Image, error) {
	return b.Images(func(mediaType string) bool {
		_, known := u.Codecs[mediaType]
		return known || mediaType == layerdelta.MediaType
	})
}

// Apply puts the release of a bundle in place.
func (u *Updater) Apply(ctx context.Context, b *bundle.Bundle) (*Result, error) {
	images, err := u.Images(b)
	if err != nil {
		return nil, err
	}
	return u.locked(ctx, projectOf(images), func(folder *state.Folder) (*Result, error) {
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		result, err := u.endInterrupted(ctx, folder, info, oci.DigestOf(b.Index))
		if result != nil || err != nil {
			return result, err
		}
		return u.applyRow(ctx, folder, info, []*bundle.Bundle{b})
	})
}

// applyRow puts the release of the last of several bundles in place, each of which starts from what the one before makes.
// What is between is loaded and never runs: `current` moves once.
func (u *Updater) applyRow(ctx context.Context, folder *state.Folder, info *engine.Info, row []*bundle.Bundle) (*Result, error) {
	journal := &state.Journal{Schema: 1, Step: state.Loading, Bundle: oci.DigestOf(row[len(row)-1].Index)}
	undo := func(err error) error {
		if journal.To.Images == nil {
			return errors.Join(err, sweepPackages(folder)) // nothing has been loaded
		}
		return errors.Join(err, u.undoLoading(ctx, folder, info, journal))
	}
	host, err := u.planPackages(ctx, folder, row)
	if err != nil {
		return nil, undo(&stepError{err, len(row) - 1})
	}
	for at, b := range row {
		result, err := u.applyOne(ctx, folder, info, b, journal, part{at == 0, at == len(row)-1, host.changes})
		if err != nil {
			err = &stepError{err, at}
		}
		if result != nil || err != nil {
			return result, undo(err)
		}
	}
	journal.To.Packages, journal.From.Packages = host.to, mergePackages(journal.From.Packages, host.from)
	// While all can still be undone: that others work on packages is no fault of the release.
	release := func() {}
	if host.changes {
		if release, err = u.lockHost(ctx); err != nil {
			return nil, undo(err)
		}
		defer release()
	}
	if err := u.settle(ctx, folder, info, journal, host.changes); err != nil {
		return nil, undo(err)
	}
	if host.changes {
		if err := u.install(ctx, folder, journal, release); err != nil {
			return nil, err
		}
	}
	return u.carryOn(ctx, folder, info, journal)
}

// part that a bundle has in a row of them.
type part struct {
	first, last bool
	// packages tells whether the row changes any.
	packages bool
}

// stepError says which bundle of a row an error is of.
type stepError struct {
	error
	at int
}

func (s *stepError) Unwrap() error { return s.error }

// applyOne loads the images of one bundle of a row; a result where nothing is to be done.
func (u *Updater) applyOne(ctx context.Context, folder *state.Folder, info *engine.Info, b *bundle.Bundle, journal *state.Journal,
	in part) (*Result, error) {
	images, err := u.Images(b)
	if err != nil {
		return nil, err
	}
	a := &application{Updater: u, bundle: b, images: images, folder: folder, info: info}
	defer a.close()
	current, err := folder.Current()
	if err != nil {
		return nil, err
	}
	a.to = target(images)
	if err := a.plan(ctx); err != nil {
		return nil, err
	}
	if in.last && !in.packages && reflect.DeepEqual(current, a.to.Current) {
		if inPlace, err := a.inPlace(ctx); inPlace || err != nil {
			return &Result{folder.Name, a.to.Version, Unchanged, a.to.Images}, err
		}
	}
	if err := a.check(ctx); err != nil {
		return nil, err
	}
	if in.first {
		if journal.From, err = a.from(current); err != nil {
			return nil, err
		}
	}
	journal.To = a.to
	if err := a.loadAll(ctx, journal); err != nil {
		return nil, err
	}
	if in.last {
		journal.Passing = slices.DeleteFunc(journal.Passing, func(passing state.Image) bool {
			return slices.ContainsFunc(journal.To.Images, func(image state.Image) bool { return image.ID == passing.ID })
		})
		return nil, nil
	}
	for _, image := range journal.To.Images {
		if slices.Contains(journal.Loaded, image.ID) {
			image.Reference = ""
			journal.Passing = append(journal.Passing, image)
		}
	}
	return nil, nil
}

// endInterrupted finishes or undoes an earlier change; a result when that was to the release of this bundle.
func (u *Updater) endInterrupted(ctx context.Context, folder *state.Folder, info *engine.Info, index oci.Digest) (*Result, error) {
	journal, err := folder.Journal()
	if err != nil || journal == nil {
		return nil, err
	}
	if journal.Step == state.Loading {
		u.Log("removing what an interrupted update left")
		return nil, u.undoLoading(ctx, folder, info, journal)
	}
	u.Log("finishing the change to %s that was interrupted", journal.To.Version)
	result, err := u.carryOn(ctx, folder, info, journal)
	if journal.Bundle == index {
		return result, err
	}
	if err != nil && journal.Step == state.Returning && ctx.Err() == nil {
		if left, _ := folder.Journal(); left == nil {
			u.Log("%s", err) // it is over, and another release is asked for
			return nil, nil
		}
	}
	return nil, err
}
