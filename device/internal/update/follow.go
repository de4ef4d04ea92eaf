package update

import (
	"context"
	"slices"
	"time"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/state"
)

// Follow is what a device asks for when it follows a channel.
type Follow struct {
	// URLs of ota.json, in the order to try them.
	URLs    []string
	Channel string
	// Judge fails unless a signature over text is good.
	Judge func(text, signature []byte, name string) error
	// Back takes older documents and lower versions.
	Back bool
	// Again takes a version from which this device went back.
	Again bool
}

// followed is a document with what the device has.
type followed struct {
	*Updater
	Follow
	folder   *state.Folder
	document *channel.Document
	seen     *channel.Seen
	platform string
	// installed version, and all versions that deltas may start from.
	installed string
	from      []string
	// running is the release that runs, where it is recorded; kept is the one to which the channel leads, where it is still
	// there from before.
	running, kept *state.Release
	outlook       *Outlook

	// packaged tells that packages of the host are to change, which no pull does.
	packaged bool
	// tried files of bundles that did not work, and whether a pull did not.
	tried  map[string]bool
	pulled bool
	// passed says why files of bundles are passed over.
	passed []error
}

// Check tells what an update would do. It changes nothing.
func (u *Updater) Check(ctx context.Context, project string, follow Follow) (*Outlook, error) {
	folder, err := state.Open(u.State, project)
	if err != nil {
		return nil, err
	}
	f, err := u.ask(ctx, folder, follow)
	if err != nil {
		return nil, err
	}
	if f.outlook.Action == actionUpdate && f.outlook.Way == nil {
		return nil, f.noWay(f.passed)
	}
	return f.outlook, nil
}

// FollowChannel puts the release in place on which a channel stands.
func (u *Updater) FollowChannel(ctx context.Context, project string, follow Follow) (*Result, error) {
	return u.locked(ctx, project, func(folder *state.Folder) (*Result, error) {
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := u.endInterrupted(ctx, folder, info, "another release"); err != nil {
			return nil, err
		}
		f, err := u.ask(ctx, folder, follow)
		if err != nil {
			return nil, err
		}
		if f.outlook.Warning != "" {
			u.Log("warning: %s", f.outlook.Warning)
		}
		// Before anything is done: what is older must not be taken for news after a power cut.
		if err := folder.See(follow.Channel, *f.seen); err != nil {
			return nil, err
		}
		if f.outlook.Action != actionUpdate {
			u.Log("%s: %s", project, f.outlook.Because)
			return &Result{Name: project, Version: f.installed, Outcome: Unchanged, Images: []state.Image{}}, f.clean(nil)
		}
		return f.travel(ctx, info)
	})
}

// ask fetches the document, judges it, and finds out what it means for this device.
func (u *Updater) ask(ctx context.Context, folder *state.Folder, follow Follow) (*followed, error) {
	f := &followed{Updater: u, Follow: follow, folder: folder, tried: map[string]bool{}}
	known, err := folder.Channels()
	if err != nil {
		return nil, err
	}
	if f.document, err = f.fetchDocument(ctx); err != nil {
		return nil, err
	}
	current, err := folder.Current()
	if err != nil {
		return nil, err
	}
	list, err := folder.Releases()
	if err != nil {
		return nil, err
	}
	if f.platform, err = u.Engine.Platform(ctx); err != nil {
		return nil, err
	}
	complete, err := f.findInstalled(ctx, current, list)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var seen *channel.Seen
	left := false
	if known != nil {
		for _, each := range known.Channels {
			now = channel.Now(now, each.Issued)
		}
		if each, ok := known.Channels[follow.Channel]; ok {
			seen = &each
		}
		left = slices.Contains(known.Left, f.document.Version)
	}
	if f.seen, err = f.document.Accept(seen, f.installed, now, follow.Back); err != nil {
		return nil, err
	}
	if f.packaged, err = f.changesPackages(); err != nil {
		return nil, err
	}
	left = left && !follow.Again
	if !left && f.kept == nil {
		if err := f.passOver(ctx); err != nil {
			return nil, err
		}
	}
	f.outlook = f.look(complete, left, channel.Now(now, f.document.Issued))
	return f, nil
}
