package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/fetch"
	"imgbuild/device/internal/state"
	"imgbuild/device/internal/version"
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

// Outlook is what an update would do.
type Outlook struct {
	Name    string `json:"name"`
	Channel string `json:"channel"`
	// Installed is the version that runs, or the highest that Docker has images of; "" where neither is known.
	Installed string `json:"installed,omitempty"`
	// Version on which the channel stands.
	Version  string    `json:"version"`
	Sequence int64     `json:"sequence"`
	Issued   time.Time `json:"issued"`
	Expires  time.Time `json:"expires"`
	// Action: update, or none.
	Action string `json:"action"`
	// Because says why there is nothing to do.
	Because string `json:"because,omitempty"`
	// Way is nil where there is nothing to do.
	Way *Way `json:"way,omitempty"`
	// Warning tells that the channel has to be signed anew soon.
	Warning string `json:"warning,omitempty"`
}

// Way to a release.
type Way struct {
	// Kind: delta, deltas, full, pull, or kept where it is still there from before.
	Kind string `json:"kind"`
	// Size in bytes.
	Size int64 `json:"size"`
	// Files of bundles, or references of images, in their order.
	Files []string `json:"files"`
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

	// tried files of bundles that did not work, and whether a pull did not.
	tried  map[string]bool
	pulled bool
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
		return nil, f.noWay(nil)
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

const (
	actionUpdate = "update"
	actionNone   = "none"
)

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
	f.outlook = f.look(current, complete, left && !follow.Again, channel.Now(now, f.document.Issued))
	return f, nil
}

// fetchDocument from the first address that has one with a good signature.
func (f *followed) fetchDocument(ctx context.Context) (*channel.Document, error) {
	var failed []error
	for _, address := range f.URLs {
		document, err := f.documentAt(ctx, address)
		if err == nil || ctx.Err() != nil {
			return document, err
		}
		failed = append(failed, err)
	}
	for _, err := range failed[:len(failed)-1] {
		f.Log("%s", err)
	}
	return nil, failed[len(failed)-1]
}

func (f *followed) documentAt(ctx context.Context, address string) (*channel.Document, error) {
	text, err := fetch.Document(ctx, address, channel.DocumentLimit, f.Log)
	if err != nil {
		return nil, err
	}
	signature, err := fetch.Document(ctx, signatureOf(address), channel.SignatureLimit, f.Log)
	if err != nil {
		return nil, err
	}
	name := fetch.Redacted(address)
	if err := f.Judge(text, signature, name); err != nil {
		return nil, err
	}
	return channel.Parse(text, f.folder.Name, f.Channel, name)
}

// signatureOf an address: what asks for it stays behind the name.
func signatureOf(address string) string {
	path, query, asked := strings.Cut(address, "?")
	if asked {
		query = "?" + query
	}
	return path + ".asc" + query
}

// findInstalled says which versions the device has, and whether the one that runs is there as a whole.
func (f *followed) findInstalled(ctx context.Context, current *state.Current, list *state.Releases) (complete bool, err error) {
	for at := range list.Releases {
		release := &list.Releases[at]
		running := at == len(list.Releases)-1 && reflect.DeepEqual(release.Current, current)
		if running {
			f.running = release
		}
		present := true
		for _, image := range release.Images {
			found, err := f.Engine.Inspect(ctx, image.ID)
			if err != nil {
				return false, err
			}
			present = present && found != nil
		}
		if present && release.Version != "" {
			f.from = append(f.from, release.Version)
		}
		if present && !running && release.Version == f.document.Version && release.Current != nil {
			f.kept = release
		}
	}
	if current != nil {
		f.installed = current.Version
		complete = slices.Contains(f.from, current.Version)
		if len(list.Releases) == 0 {
			// Put in place by another program: its images are looked for when a bundle is applied.
			f.from, complete = append(f.from, current.Version), true
		}
		return complete, nil
	}
	versions, err := f.taggedVersions(ctx)
	for _, each := range versions {
		if order, ok := version.Compare(f.installed, each); f.installed == "" || ok && order < 0 {
			f.installed = each
		}
	}
	f.from = append(f.from, versions...)
	return false, err
}

// taggedVersions are those of which Docker has every image, as releases and bundles call them: NAME:VERSION.
func (f *followed) taggedVersions(ctx context.Context) ([]string, error) {
	images, _ := f.document.On(f.platform)
	tags, err := f.Engine.Tags(ctx)
	if err != nil || len(images) == 0 {
		return nil, err
	}
	var versions []string
	for _, tag := range tags {
		repository, name := engine.SplitReference(tag)
		each := strings.Replace(name, "_", "+", 1)
		if _, ok := version.Compare(each, each); !ok || repository != nameOnDevice(images[0]) {
			continue
		}
		all := !slices.ContainsFunc(images, func(image channel.Image) bool {
			return !slices.Contains(tags, nameOnDevice(image)+":"+name)
		})
		if all {
			versions = append(versions, each)
		}
	}
	return versions, nil
}

// look decides what is to be done.
func (f *followed) look(current *state.Current, complete, left bool, now time.Time) *Outlook {
	d := f.document
	o := &Outlook{Name: d.Name, Channel: d.Channel, Installed: f.installed, Version: d.Version, Sequence: d.Sequence,
		Issued: d.Issued, Expires: d.Expires, Action: actionNone, Warning: Expiry(d.Channel, d.Expires, now)}
	switch {
	case current != nil && current.Version == d.Version && complete:
		o.Because = d.Version + " is in place"
	case left:
		o.Because = "this device went back from " + d.Version + "; `imgbuild-ota update --again` tries it once more"
	default:
		o.Action = actionUpdate
		o.Way = describe(f.way())
		if f.kept != nil {
			o.Way = &Way{Kind: "kept", Files: []string{}}
		}
	}
	return o
}

// Expiry warns of a channel that has to be signed anew soon; "" where there is time.
func Expiry(name string, expires, now time.Time) string {
	switch left := expires.Sub(now); {
	case left <= 0:
		return fmt.Sprintf("the channel %s expired on %s: no update is possible before it is signed anew", name,
			expires.Format(time.DateOnly))
	case left < channel.Warning:
		return fmt.Sprintf("the channel %s expires in %s, on %s: it has to be signed anew", name,
			plural(int(left/(24*time.Hour)), "day"), expires.Format(time.DateOnly))
	}
	return ""
}

// way is the cheapest of those that have not been tried; nil where there is none.
func (f *followed) way() *channel.Way {
	return f.document.Cheapest(f.platform, f.from, func(d *channel.Delta) bool { return f.tried[d.File] }, !f.pulled)
}

func describe(way *channel.Way) *Way {
	if way == nil {
		return nil
	}
	told := &Way{Kind: "pull", Size: way.Size, Files: []string{}}
	for _, each := range way.Pull {
		told.Files = append(told.Files, each.Reference)
	}
	for _, each := range way.Deltas {
		told.Files = append(told.Files, each.File)
	}
	switch {
	case len(way.Deltas) == 0:
	case way.Deltas[0].From == channel.None:
		told.Kind = "full"
	case len(way.Deltas) == 1:
		told.Kind = "delta"
	default:
		told.Kind = "deltas"
	}
	return told
}

// downloads is where files lie until they are applied.
func (f *followed) downloads() string { return filepath.Join(f.folder.Path, "downloads") }

// clean removes downloads that no way needs any more.
func (f *followed) clean(needed *channel.Way) error {
	entries, err := os.ReadDir(f.downloads())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left := 0
	for _, entry := range entries {
		if needed != nil && slices.ContainsFunc(needed.Deltas, func(d *channel.Delta) bool { return d.SHA256 == entry.Name() }) {
			left++
			continue
		}
		if err := os.RemoveAll(filepath.Join(f.downloads(), entry.Name())); err != nil {
			return err
		}
	}
	if left == 0 {
		return os.Remove(f.downloads())
	}
	return nil
}

// travel cheapest way that works.
func (f *followed) travel(ctx context.Context, info *engine.Info) (*Result, error) {
	if f.kept != nil {
		journal := &state.Journal{Bundle: f.document.Digest, To: *f.kept}
		if f.running != nil {
			journal.From = *f.running
		} else if current, err := f.folder.Current(); err != nil {
			return nil, err
		} else {
			journal.From.Current, journal.From.Version = current, f.installed
		}
		return f.moveTo(ctx, f.folder, info, journal)
	}
	var reasons []error
	for {
		way := f.way()
		if way == nil {
			return nil, f.noWay(reasons)
		}
		if err := f.clean(way); err != nil {
			return nil, err
		}
		result, err := f.try(ctx, info, way)
		if err == nil {
			return result, f.clean(nil)
		}
		var other *otherWay
		if ctx.Err() != nil || !errors.As(err, &other) {
			return nil, err
		}
		f.Log("%s; looking for another way", other)
		reasons = append(reasons, other.error)
		if other.file == "" {
			f.pulled = true
		} else {
			f.tried[other.file] = true
		}
	}
}

// otherWay is the error of a file, or of a pull, that another way may do without.
type otherWay struct {
	error
	file string
}

func (o *otherWay) Unwrap() error { return o.error }

func (f *followed) noWay(reasons []error) error {
	doing := fmt.Sprintf("updating %s to %s", f.folder.Name, f.document.Version)
	if len(reasons) > 0 {
		var because []string
		for _, each := range reasons {
			because = append(because, each.Error())
		}
		return failure.Operation(doing, strings.Join(because, "; "), "see what each of them says, and try again")
	}
	has := "this device has no release of it"
	if f.installed != "" {
		has = "this device has " + f.installed
	}
	return failure.Operation(doing, fmt.Sprintf("%s, and no delta or image of the channel %s for %s leads from there", has,
		f.document.Channel, f.platform), "apply a bundle that starts from nothing, and see `imgbuild promote`")
}

func (f *followed) try(ctx context.Context, info *engine.Info, way *channel.Way) (*Result, error) {
	if len(way.Deltas) == 0 {
		result, err := f.pull(ctx, f.folder, info, f.document, way.Pull)
		if errors.Is(err, errPull) {
			err = &otherWay{err, ""}
		}
		return result, err
	}
	var row []*bundle.Bundle
	for _, each := range way.Deltas {
		b, file, err := f.download(ctx, each)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		row = append(row, b)
	}
	result, err := f.applyRow(ctx, f.folder, info, row)
	var told *failure.Failure
	if errors.Is(err, errSource) || errors.As(err, &told) && told.Input {
		err = &otherWay{err, way.Deltas[0].File}
	}
	return result, err
}

// download a bundle, and see that it is the one that the channel means.
func (f *followed) download(ctx context.Context, d *channel.Delta) (*bundle.Bundle, *os.File, error) {
	f.Log("downloading %s: %s", d.File, failure.Bytes(d.Size))
	known := fetch.Known{Addresses: f.document.Addresses(d), Size: d.Size, SHA256: d.SHA256}
	file, err := known.Fetch(ctx, f.downloads(), f.Log)
	if err != nil {
		return nil, nil, &otherWay{err, d.File}
	}
	b, err := f.open(file, d)
	if err != nil {
		file.Close()
		return nil, nil, &otherWay{err, d.File}
	}
	return b, file, nil
}

func (f *followed) open(file *os.File, d *channel.Delta) (*bundle.Bundle, error) {
	b, err := bundle.Open(file, d.File)
	if err != nil {
		return nil, err
	}
	if err := f.Judge(b.Index, b.Signature, d.File); err != nil {
		return nil, err
	}
	images, err := f.Images(b)
	if err != nil {
		return nil, err
	}
	if name, to := projectOf(images), versionOf(images); name != f.folder.Name || to != d.To {
		return nil, failure.Input("reading the bundle "+d.File, fmt.Sprintf("it is for %s of %s, not for %s of %s", to, name, d.To,
			f.folder.Name), "see how the channel was made")
	}
	return b, nil
}
