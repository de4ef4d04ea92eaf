package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/state"
)

// errPull marks the errors of images that a registry does not give.
var errPull = errors.New("the images cannot be pulled")

// pull puts the release of a document in place with the images that the engine fetches from their registries, each by digest.
func (u *Updater) pull(ctx context.Context, folder *state.Folder, info *engine.Info, d *channel.Document, images []channel.Image) (*Result, error) {
	a := &application{Updater: u, folder: folder, info: info, to: pulled(d, images)}
	current, err := folder.Current()
	if err != nil {
		return nil, err
	}
	journal := &state.Journal{Schema: 1, Step: state.Loading, Bundle: d.Digest, To: a.to}
	if journal.From, err = a.from(current); err != nil {
		return nil, err
	}
	if a.distrust, err = folder.BeginUnsynced(); err != nil {
		return nil, err
	}
	undo := func(err error) error { return errors.Join(err, u.undoLoading(ctx, folder, info, journal)) }
	for at := range images {
		if err := a.pullOne(ctx, &images[at], &journal.To.Images[at], journal); err != nil {
			return nil, undo(err)
		}
	}
	if err := u.settle(ctx, folder, info, journal, false); err != nil {
		return nil, undo(err)
	}
	return u.carryOn(ctx, folder, info, journal)
}

// pulled is the release as `current` names it, without the IDs of its images.
func pulled(d *channel.Document, images []channel.Image) state.Release {
	current := &state.Current{Schema: 1, Version: d.Version, Images: map[string]state.CurrentImage{}}
	release := state.Release{Version: d.Version, Current: current}
	for _, each := range images {
		name := nameOnDevice(each)
		current.Images[name] = state.CurrentImage{Config: each.Config, Platform: each.Platform}
		release.Images = append(release.Images, state.Image{
			Name: name, Reference: name + ":" + tagOf(d.Version), Config: each.Config, Platform: each.Platform})
	}
	return release
}

// nameOnDevice is what bundles call the image, too: as it was declared, without a tag.
func nameOnDevice(image channel.Image) string {
	name, _ := engine.SplitReference(image.Image)
	return name
}

// tagOf a version: tags have no plus sign.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

func (a *application) pullOne(ctx context.Context, image *channel.Image, to *state.Image, journal *state.Journal) error {
	_, digest, _ := strings.Cut(image.Reference, "@")
	id := digest
	if a.info.Store != engine.Containerd {
		id = string(image.Config)
	}
	if err := a.noteLoading(ctx, id, journal); err != nil {
		return err
	}
	var err error
	to.ID, err = a.loadTrusted(ctx, func() (string, error) {
		a.Log("pulling %s: up to %s", image.Reference, failure.Bytes(image.Size))
		if err := a.Engine.Pull(ctx, image.Reference); err != nil {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			return "", fmt.Errorf("%w: %w", errPull, err)
		}
		return id, a.provePulled(ctx, id, image)
	})
	return err
}

// provePulled: what came must have the config that the channel has signed, and filesystem layers with the digests that this
// names.
func (a *application) provePulled(ctx context.Context, id string, image *channel.Image) error {
	found, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if found == nil {
		return fmt.Errorf("%w: %w", errPull, failure.Operation("pulling "+image.Reference,
			fmt.Sprintf("%s has no image %s afterwards: it is another one", a.Engine, id),
			"see whether the registry has the right image"))
	}
	if a.info.Store == engine.Containerd && found.Damaged == "" {
		// The image is called by its manifest, which names its config.
		read, err := a.readFiles(ctx, found, nothing{}, nil)
		if err != nil && ctx.Err() == nil {
			read, err = a.read(ctx, found, nothing{}, nil, a.folder.Path)
		}
		if err != nil {
			return err
		}
		read.close()
		if !read.configs[image.Config] {
			return fmt.Errorf("%w: %w", errPull, failure.Operation("pulling "+image.Reference,
				"its config is not "+string(image.Config), "see whether the registry has the right image"))
		}
	}
	return a.proveLoaded(ctx, id, found.DiffIDs, "")
}

// nothing is wanted of filesystem layers but that their digests are right.
type nothing struct{}

func (nothing) Add(_ string, r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (nothing) Commit(int, oci.Digest) error { return nil }

func (nothing) needs(oci.Digest) bool { return true }

func (nothing) lend(oci.Digest, *os.File, int64) (bool, error) { return false, nil }
