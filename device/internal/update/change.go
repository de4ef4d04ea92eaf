package update

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// Resume finishes a change of the project that was interrupted: forward once everything that the new release needs is on
// the device, back before that.
func (u *Updater) Resume(ctx context.Context, project string) (*Result, error) {
	return u.locked(ctx, project, func(folder *state.Folder) (*Result, error) {
		journal, err := folder.Journal()
		if err != nil {
			return nil, err
		}
		if journal == nil {
			current, err := folder.Current()
			if err != nil {
				return nil, err
			}
			result := &Result{Name: folder.Name, Outcome: Unchanged}
			if current != nil {
				result.Version = current.Version
			}
			return result, nil
		}
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		if journal.Step == state.Loading {
			u.Log("removing what an interrupted update of %s left", folder.Name)
			if err := u.undoLoading(ctx, folder, info, journal); err != nil {
				return nil, err
			}
			return &Result{Name: folder.Name, Version: journal.From.Version, Outcome: Cleaned, Images: journal.From.Images}, nil
		}
		u.Log("finishing the change to %s that was interrupted", journal.To.Version)
		return u.carryOn(ctx, folder, info, journal)
	})
}

// undoLoading removes images that nothing speaks of yet.
func (u *Updater) undoLoading(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) error {
	// Also when the reason to stop is that somebody wants it to stop.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var left []string
	for _, id := range journal.Loaded {
		if err := u.Engine.Remove(ctx, id); err != nil {
			u.Log("warning: %s could not be removed: %s", short(id), err)
			left = append(left, id)
		}
	}
	if left != nil {
		list, err := folder.Releases()
		if err != nil {
			return err
		}
		list.Unnamed = append(list.Unnamed, left...)
		if err := folder.SetReleases(list); err != nil {
			return err
		}
	}
	// What Docker could not forget comes to the disk now; where a power cut was before, it is too late for that.
	if lost, err := folder.BeginUnsynced(); err == nil && !lost && u.sync(info) == nil {
		if err := folder.EndUnsynced(); err != nil {
			return err
		}
	}
	if err := folder.SetJournal(nil); err != nil {
		return err
	}
	u.sweep(folder)
	return nil
}

// carryOn goes on from the journal's step. Each step may have been done already, in part or as a whole.
func (u *Updater) carryOn(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) (*Result, error) {
	if journal.Step == state.Installing {
		release, err := u.lockHost(ctx)
		if err != nil {
			return nil, err // nothing has failed: `resume` goes on
		}
		if err := u.install(ctx, folder, journal, release); err != nil {
			return nil, err
		}
	}
	if journal.Step == state.Moving {
		if err := u.move(ctx, folder, info, journal); err != nil {
			return nil, err
		}
		journal.Step = state.Checking
		if err := folder.SetJournal(journal); err != nil {
			return nil, err
		}
	}
	if journal.Step == state.Checking {
		failed := u.prove(ctx, u.Service(folder.Name))
		if ctx.Err() != nil {
			return nil, context.Cause(ctx) // it has not failed: `resume` goes on
		}
		byHand := journal.Bundle == ""
		if failed == nil || byHand {
			if err := u.finish(ctx, folder, journal); err != nil {
				return nil, err
			}
		}
		switch {
		case failed == nil:
			return &Result{folder.Name, journal.To.Version, Updated, journal.To.Images}, nil
		case byHand:
			return nil, failure.Operation("going back to "+journal.To.Version, failed.Error(),
				"the release is in place all the same; see what its service says")
		}
		u.Log("%s does not work: %s", journal.To.Version, failed)
		journal.Step, journal.Because = state.Returning, failed.Error()
		if err := folder.SetJournal(journal); err != nil {
			return nil, err
		}
	}
	return nil, u.goBack(ctx, folder, info, journal)
}

// movingTags are the names of images that something else has now, or nothing.
func (u *Updater) movingTags(ctx context.Context, images []state.Image) ([]state.Tag, error) {
	var tags []state.Tag
	for _, image := range images {
		if image.Reference == "" {
			continue
		}
		before, err := u.Engine.Inspect(ctx, image.Reference)
		switch {
		case err != nil:
			return nil, err
		case before == nil:
			tags = append(tags, state.Tag{Reference: image.Reference})
		case before.ID != image.ID:
			tags = append(tags, state.Tag{Reference: image.Reference, ID: before.ID})
		}
	}
	return tags, nil
}

// move puts the new release in place: tags first, `current` last.
func (u *Updater) move(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) error {
	for _, tag := range journal.Tags {
		if tag.ID == "" {
			continue
		}
		// Without a name an image is what `docker image prune` removes.
		repository, name := keptName(tag.Reference, tag.ID)
		if err := u.Engine.Tag(ctx, tag.ID, repository, name); err != nil {
			u.Log("warning: the old image has no name of its own: %s", err)
		}
	}
	for _, image := range journal.To.Images {
		if image.Reference == "" {
			continue
		}
		repository, tag := engine.SplitReference(image.Reference)
		if err := u.Engine.Tag(ctx, image.ID, repository, tag); err != nil {
			return err
		}
	}
	if err := u.sync(info); err != nil {
		return err
	}
	return folder.SetCurrent(journal.To.Current)
}

// keptName is what an image is called whose tag has moved on.
func keptName(reference, id string) (repository, tag string) {
	repository, _ = engine.SplitReference(reference)
	return "imgbuild.invalid/" + lastPart(repository), "kept-" + hexOf(id)[:12]
}

func lastPart(name string) string {
	for at := len(name) - 1; at >= 0; at-- {
		if name[at] == '/' {
			return name[at+1:]
		}
	}
	return name
}

func hexOf(id string) string {
	const prefix = "sha256:"
	if len(id) > len(prefix)+12 && id[:len(prefix)] == prefix {
		return id[len(prefix):]
	}
	return fmt.Sprintf("%012s", id)
}

// finish records the release that runs now and ends the change.
func (u *Updater) finish(ctx context.Context, folder *state.Folder, journal *state.Journal) error {
	list, err := folder.Releases()
	if err != nil {
		return err
	}
	if len(journal.From.Images) > 0 {
		list.Releases = put(list.Releases, journal.From)
	}
	list.Releases = put(list.Releases, journal.To)
	list.Discarded = append(list.Discarded, journal.Passing...)
	if err := folder.SetReleases(list); err != nil {
		return err
	}
	from := ""
	if journal.Bundle == "" {
		from = journal.From.Version
	}
	if err := folder.Leave(from, journal.To.Version); err != nil {
		return err
	}
	if err := folder.SetJournal(nil); err != nil {
		return err
	}
	if _, err := u.prune(ctx, folder, u.Keep); err != nil {
		u.Log("warning: older releases could not be removed: %s", err)
	}
	u.sweep(folder)
	return nil
}

// put moves a release to the end of a list.
func put(list []state.Release, release state.Release) []state.Release {
	kept := make([]state.Release, 0, len(list)+1)
	for _, each := range list {
		if !sameRelease(each, release) {
			kept = append(kept, each)
		}
	}
	return append(kept, release)
}

func sameRelease(a, b state.Release) bool {
	return a.Version == b.Version && reflect.DeepEqual(a.Current, b.Current)
}
