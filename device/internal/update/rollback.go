package update

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// Rollback puts the release back that ran before the one that runs.
func (u *Updater) Rollback(ctx context.Context, project string) (*Result, error) {
	return u.locked(ctx, project, func(folder *state.Folder) (*Result, error) {
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		if result, err := u.endInterrupted(ctx, folder, info, ""); result != nil || err != nil {
			return result, err
		}
		from, to, err := neighbours(folder)
		if err != nil {
			return nil, err
		}
		for _, image := range to.Images {
			found, err := u.Engine.Inspect(ctx, image.ID)
			if err != nil {
				return nil, err
			}
			if found == nil || u.Engine.TryContainer(ctx, image.ID) != nil {
				return nil, failure.Operation("going back to "+to.Version,
					fmt.Sprintf("its image %s is no longer in %s", short(image.ID), u.Engine),
					"apply a bundle of that release")
			}
		}
		return u.moveTo(ctx, folder, info, &state.Journal{From: *from, To: *to})
	})
}

// moveTo a release whose images are all there.
func (u *Updater) moveTo(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal) (_ *Result, err error) {
	journal.Schema, journal.Step = 1, state.Moving
	host, err := u.planReturn(ctx, folder, journal.To.Packages)
	if err != nil {
		return nil, errors.Join(err, sweepPackages(folder))
	}
	if journal.Tags, err = u.movingTags(ctx, journal.To.Images); err != nil {
		return nil, err
	}
	if host.changes {
		release, err := u.lockHost(ctx)
		if err != nil {
			return nil, errors.Join(err, sweepPackages(folder))
		}
		defer release()
		journal.Step = state.Installing
		journal.To.Packages, journal.From.Packages = host.to, mergePackages(journal.From.Packages, host.from)
		if err := folder.SetJournal(journal); err != nil {
			return nil, err
		}
		if err := u.install(ctx, folder, journal, release); err != nil {
			return nil, err
		}
	} else if err := folder.SetJournal(journal); err != nil {
		return nil, err
	}
	return u.carryOn(ctx, folder, info, journal)
}

// planReturn to packages that were in place before.
func (u *Updater) planReturn(ctx context.Context, folder *state.Folder, wanted []state.Package) (*hostPlan, error) {
	if len(wanted) == 0 || u.policy(folder.Name) == NoPackages {
		return &hostPlan{}, nil
	}
	database, err := u.Host.Read()
	if err != nil {
		return nil, err
	}
	return u.planHost(ctx, folder, database, wanted)
}

// neighbours are the release that runs and the one before it.
func neighbours(folder *state.Folder) (from, to *state.Release, err error) {
	list, err := folder.Releases()
	if err != nil {
		return nil, nil, err
	}
	current, err := folder.Current()
	if err != nil {
		return nil, nil, err
	}
	count := len(list.Releases)
	if count < 2 || !reflect.DeepEqual(list.Releases[count-1].Current, current) {
		return nil, nil, failure.Operation("going back", "no older release of "+folder.Name+" is kept on this device",
			"apply a bundle of the release that should run")
	}
	return &list.Releases[count-1], &list.Releases[count-2], nil
}
