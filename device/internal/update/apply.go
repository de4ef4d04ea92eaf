package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
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

// application of one bundle.
type application struct {
	*Updater
	bundle *bundle.Bundle
	images []bundle.Image
	folder *state.Folder
	info   *engine.Info

	to    state.Release
	plans []plan
	// distrust what is loaded until all of it has been read.
	distrust bool
}

// plan for one image.
type plan struct {
	image *bundle.Image
	// present in the engine already, as it should be.
	present *engine.Image
	// sources that it may be made from, the likeliest first.
	sources []*engine.Image
	// wanted is what its deltas read from.
	wanted *wanted
}

func (a *application) close() {
	for _, plan := range a.plans {
		if plan.wanted != nil {
			plan.wanted.close()
		}
	}
}

// plan finds out what there is of each image.
func (a *application) plan(ctx context.Context) error {
	list, err := a.folder.Releases()
	if err != nil {
		return err
	}
	for at := range a.images {
		plan := plan{image: &a.images[at]}
		if plan.present, err = a.findPresent(ctx, plan.image, list); err != nil {
			return err
		}
		if plan.present != nil {
			a.to.Images[at].ID = plan.present.ID
		}
		if plan.image.Source != nil {
			// Also of an image that is there: it is what to go back to.
			plan.sources, err = a.findSources(ctx, a.info, plan.image)
			if err != nil && plan.present == nil {
				return err
			}
		}
		a.plans = append(a.plans, plan)
	}
	return nil
}

// findPresent looks for the target itself: by its ID, or by what it was called when it was put in place before.
func (a *application) findPresent(ctx context.Context, image *bundle.Image, list *state.Releases) (*engine.Image, error) {
	// What a power cut may have damaged is loaded again, and read, unless it was in place before.
	_, lost, err := a.folder.Unsynced()
	if err != nil {
		return nil, err
	}
	config := image.Config.Descriptor.Digest
	ids := []string{string(config)}
	if a.info.Store == engine.Containerd {
		ids = []string{string(image.Manifest.Descriptor.Digest)}
		for _, release := range list.Releases {
			for _, each := range release.Images {
				if each.Config == config {
					ids = append(ids, each.ID)
				}
			}
		}
	}
	for _, id := range ids {
		found, err := a.Engine.Inspect(ctx, id)
		if err != nil {
			return nil, err
		}
		if found == nil || !sameDiffIDs(found, image.DiffIDs()) || lost && !recorded(list, id) {
			continue
		}
		if a.Engine.TryContainer(ctx, found.ID) == nil {
			return found, nil
		}
	}
	return nil, nil
}

// recorded tells whether an image belongs to a release that was in place.
func recorded(list *state.Releases, id string) bool {
	for _, release := range list.Releases {
		for _, each := range release.Images {
			if each.ID == id {
				return true
			}
		}
	}
	return false
}

// inPlace tells whether every image is there under its name.
func (a *application) inPlace(ctx context.Context) (bool, error) {
	for at, plan := range a.plans {
		if plan.present == nil {
			return false, nil
		}
		reference := a.to.Images[at].Reference
		if reference == "" {
			continue
		}
		named, err := a.Engine.Inspect(ctx, reference)
		if err != nil || named == nil || named.ID != plan.present.ID {
			return false, err
		}
	}
	return true, nil
}

// outputLimit of a filesystem layer whose size the bundle does not say, in bytes.
const outputLimit = 64 << 30

func limitOf(layer *bundle.Layer) int64 {
	if layer.Size < 0 {
		return outputLimit
	}
	return layer.Size
}

// check reads all of the bundle that is needed, so that every byte of it is known to be good before anything is done with
// it, and compares what will be written with what there is room for.
func (a *application) check(ctx context.Context) error {
	if err := a.Budget.Check(); err != nil {
		return err
	}
	spool, store := int64(0), int64(0)
	for at := range a.plans {
		plan := &a.plans[at]
		if plan.present != nil {
			continue
		}
		var err error
		if plan.wanted, err = a.sources(plan.image); err != nil {
			return err
		}
		for at := range plan.image.Layers {
			layer := &plan.image.Layers[at]
			if layer.Kind == bundle.Reused {
				continue
			}
			if err := a.scan(ctx, layer, plan.wanted); err != nil {
				return err
			}
			size := layer.Size
			if size < 0 {
				size = layer.Blob.Size
				spool += size
			}
			store += size
		}
		spool += plan.wanted.bytes()
		if len(plan.sources) > 0 && len(missingByChain(a.info, plan.image, plan.sources[0])) > 0 {
			spool += plan.sources[0].Size
			store += plan.sources[0].Size
		}
	}
	return checkSpace(append([]need{{a.folder.Path, spool}}, loadingNeeds(a.info, store)...))
}

// sources of an image, as far as the bundle lists them.
func (a *application) sources(image *bundle.Image) (*wanted, error) {
	w, err := newWanted(a.bundle, image, a.Budget)
	if err != nil {
		return nil, failure.Input("reading the bundle "+a.bundle.Name, err.Error(), "make it with `imgbuild ota diff`, or fetch it again")
	}
	return w, nil
}

func (a *application) scan(ctx context.Context, layer *bundle.Layer, w *wanted) error {
	blob, err := a.bundle.Blob(layer.Blob)
	if err != nil {
		return err
	}
	blob = stoppable(ctx, blob)
	switch {
	case layer.Kind == bundle.Delta && layer.Blob.MediaType == layerdelta.MediaType:
		err = layerdelta.Scan(blob, w.ranges.Sources(), int64(a.Budget), limitOf(layer))
	case layer.Kind == bundle.Delta:
		codec, _ := a.Codecs.For(layer.Blob.MediaType, a.Budget)
		err = codec.Scan(blob, limitOf(layer), w.files.Want)
	}
	if err != nil {
		return a.unreadable(ctx, layer, err)
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return a.unreadable(ctx, layer, err)
	}
	return nil
}

func (a *application) unreadable(ctx context.Context, layer *bundle.Layer, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return failure.Input(fmt.Sprintf("reading the delta %s of %s", layer.Blob.Digest, a.bundle.Name), err.Error(),
		"make it with `imgbuild ota diff`, or fetch it again")
}

// from is the release that runs now.
func (a *application) from(current *state.Current) (state.Release, error) {
	list, err := a.folder.Releases()
	if err != nil {
		return state.Release{}, err
	}
	if count := len(list.Releases); count > 0 && reflect.DeepEqual(list.Releases[count-1].Current, current) {
		return list.Releases[count-1], nil
	}
	release := state.Release{Current: current}
	for at, plan := range a.plans {
		if release.Version == "" {
			release.Version = plan.image.From
		}
		if len(plan.sources) == 0 {
			continue
		}
		found := plan.sources[0]
		release.Images = append(release.Images, state.Image{
			Name:      a.to.Images[at].Name,
			Reference: referenceOf(found, a.to.Images[at].Name),
			Config:    plan.image.Source.Config,
			Platform:  plan.image.Platform.String(),
			ID:        found.ID,
		})
	}
	if current != nil {
		release.Version = current.Version
	}
	return release, nil
}

// referenceOf is the tag of an image that belongs to a repository.
func referenceOf(image *engine.Image, repository string) string {
	for _, tag := range image.Tags {
		if found, _ := engine.SplitReference(tag); found == repository {
			return tag
		}
	}
	return ""
}
