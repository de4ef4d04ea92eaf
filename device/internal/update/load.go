package update

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/state"
)

// loadAll brings every image that is missing into the engine and proves it.
func (a *application) loadAll(ctx context.Context, journal *state.Journal) (err error) {
	if a.distrust, err = a.folder.BeginUnsynced(); err != nil {
		return err
	}
	for at := range a.plans {
		if a.plans[at].present != nil {
			continue
		}
		id, err := a.loadTrusted(ctx, func() (string, error) { return a.load(ctx, &a.plans[at], journal) })
		if err != nil {
			return err
		}
		journal.To.Images[at].ID = id
	}
	return nil
}

// settle brings what was loaded to the disk; when it returns, the journal says what comes next: packages, where some change,
// or Moving.
func (u *Updater) settle(ctx context.Context, folder *state.Folder, info *engine.Info, journal *state.Journal, packages bool) (err error) {
	if err := u.sync(info); err != nil {
		return err
	}
	if err := folder.EndUnsynced(); err != nil {
		return err
	}
	if journal.Tags, err = u.movingTags(ctx, journal.To.Images); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	journal.Step = state.Moving
	if packages {
		journal.Step = state.Installing
	}
	return folder.SetJournal(journal)
}

// load makes one image in the engine and returns its ID there.
func (a *application) load(ctx context.Context, plan *plan, journal *state.Journal) (string, error) {
	// A second time, where the first was distrusted.
	if err := plan.wanted.close(); err != nil {
		return "", err
	}
	read, err := a.readAnySource(ctx, plan)
	if err != nil {
		return "", err
	}
	defer read.close()
	if err := plan.wanted.unpack(); err != nil {
		return "", err
	}
	ready, closeReady, err := a.readyLayers(ctx, plan, read)
	defer closeReady()
	if err != nil {
		return "", err
	}
	present := map[oci.Digest]oci.Descriptor{}
	for id, descriptor := range read.descriptors {
		if _, made := ready[id]; !made {
			present[id] = descriptor
		}
	}
	if a.info.Store == engine.Podman {
		present = byDiffID(plan.image)
	}
	archive, err := newLoadArchive(plan.image, ready, present)
	if err != nil {
		return "", err
	}
	id := string(plan.image.Config.Descriptor.Digest)
	if a.info.Store == engine.Containerd {
		id = string(archive.manifest.Digest)
	}
	if err := a.noteLoading(ctx, id, journal); err != nil {
		return "", err
	}
	a.Log("loading %s: %s", nameOf(plan.image), plural(len(ready), "new filesystem layer"))
	// What was read of the source image is not to come to the disk, too. Podman may have to be sent it once more.
	sent := plan.wanted.close
	if a.info.Store == engine.Podman {
		sent = func() error { return nil }
	}
	said, err := a.send(ctx, archive, sent)
	if a.info.Store == engine.Podman && engine.IsRefusal(err) && archive.isPartial() {
		said, err = a.sendWhole(ctx, archive, read.source, err)
	}
	if err != nil {
		return "", err
	}
	return id, a.proveLoaded(ctx, id, plan.image.DiffIDs(), said)
}

// noteLoading says in the journal what to remove again; of an image that was there nothing, unless it is damaged.
func (a *application) noteLoading(ctx context.Context, id string, journal *state.Journal) error {
	before, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if before != nil && before.Damaged != "" {
		a.Log("%s is damaged; removing it: %s", short(id), before.Damaged)
		for _, name := range append(before.Tags, id) {
			if err := a.Engine.Remove(ctx, name); err != nil {
				return err
			}
		}
		before = nil
	}
	if before == nil && !slices.Contains(journal.Loaded, id) {
		journal.Loaded = append(journal.Loaded, id)
	}
	return a.folder.SetJournal(journal)
}

var errStopped = errors.New("the engine takes no more")

// send streams an archive into the engine while it is made, and calls sent when all of it has been. What the engine unpacks of it
// then comes to the disk meanwhile: less is left for the sync at the end.
func (a *application) send(ctx context.Context, archive *loadArchive, sent func() error) (said string, err error) {
	r, w := io.Pipe()
	unpacking, written := make(chan struct{}), make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		err := archive.write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		if err == nil {
			err = sent()
		}
		w.CloseWithError(err)
		close(unpacking)
		written <- err
	}()
	// An answer that does not come is told of by the sync at the end.
	folders, _ := engineFolders(a.info)
	err = whileFlushing(unpacking, func() error { return syncFolders(folders) }, func() (err error) {
		said, err = a.Engine.Load(ctx, r)
		return err
	})
	r.CloseWithError(errStopped)
	if cause := <-written; cause != nil && !errors.Is(cause, errStopped) && !errors.Is(cause, io.ErrClosedPipe) {
		return "", cause
	}
	return said, err
}

// proveLoaded: the engine's answer and messages prove nothing. The image is asked for, and a container is made of it.
func (a *application) proveLoaded(ctx context.Context, id string, diffIDs []oci.Digest, said string) error {
	if said == "" {
		said = "nothing"
	}
	fail := func(because string) error {
		return failure.Operation("loading the new image", because, "the old release is untouched; Docker said: "+said)
	}
	loaded, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if loaded == nil {
		return fail(fmt.Sprintf("%s has no image %s afterwards", a.Engine, id))
	}
	if loaded.Damaged != "" {
		return fmt.Errorf("%w: %w", errDamaged, fail(loaded.Damaged))
	}
	if !sameDiffIDs(loaded, diffIDs) {
		return fail("the filesystem layers of what was loaded are other ones")
	}
	if err := a.Engine.TryContainer(ctx, id); err != nil {
		failed := fail("no container can be made of it: " + err.Error())
		if a.distrust {
			return fmt.Errorf("%w: %w", errDamaged, failed)
		}
		return failed
	}
	return nil
}
