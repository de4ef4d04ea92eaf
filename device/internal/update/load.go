package update

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/compression"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/layerdelta"
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
	said, err := a.send(ctx, archive)
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

// readAnySource reads the source image; of several that may be it, the first that proves to be.
func (a *application) readAnySource(ctx context.Context, plan *plan) (*readImage, error) {
	if err := plan.wanted.spool(a.folder.Path); err != nil {
		return nil, err
	}
	image := plan.image
	if image.Source == nil {
		if !plan.wanted.nothing() {
			return nil, failure.Input("reading the bundle "+a.bundle.Name, "it reads old files and names no source image",
				"make it with `imgbuild ota diff`")
		}
		return &readImage{}, nil
	}
	var refused error
	for _, candidate := range plan.sources {
		if !plan.wanted.isIn(candidate) {
			refused = damaged(candidate, fromDocker, "it lacks a filesystem layer that the deltas read from")
			continue
		}
		tars := missingByChain(a.info, image, candidate)
		// By chain ID or diffID: nothing of the source need be read where no file is wanted.
		if a.info.Store != engine.Containerd && plan.wanted.nothing() && len(tars) == 0 {
			return &readImage{source: candidate}, nil
		}
		found, err := a.readWithLinks(ctx, plan, candidate, tars)
		if err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			refused = err
			continue
		}
		certain := a.info.Store != engine.Containerd || image.Source.DiffIDs != nil
		if certain || found.configs[image.Source.Config] {
			found.source = candidate
			return found, nil
		}
		found.close()
		told := failure.Input("finding the source image", fmt.Sprintf("%s has no image %s, from which it starts",
			a.Engine, image.Source.Config), "use a bundle that starts from an image that this device has")
		told.Err = errSource
		refused = told
	}
	return nil, refused
}

func (a *application) readWithLinks(ctx context.Context, plan *plan, candidate *engine.Image, tars map[oci.Digest]bool) (*readImage, error) {
	return plan.wanted.gather(func() (*readImage, error) {
		found, err := a.readFiles(ctx, plan, candidate, tars)
		if err == nil {
			a.Log("read the source image %s from its files", short(candidate.ID))
			return found, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, errNotThere) {
			a.Log("reading the source image %s from %s", short(candidate.ID), a.Engine)
		} else {
			a.Log("reading the source image %s from %s, since its files cannot be read: %s", short(candidate.ID), a.Engine, err)
		}
		plan.wanted.again()
		return a.read(ctx, candidate, plan.wanted, tars, a.folder.Path)
	})
}

// readFiles of the engine's store.
func (a *application) readFiles(ctx context.Context, plan *plan, candidate *engine.Image, tars map[oci.Digest]bool) (*readImage, error) {
	if a.info.Store == engine.Containerd {
		return a.readBlobs(ctx, a.info, candidate, plan.wanted, a.folder.Path)
	}
	return a.readFolders(ctx, a.info, candidate, plan.wanted, tars, a.folder.Path)
}

// gather what is wanted, by another reading where hard links turn out to lead to what was not asked for.
func (w *wanted) gather(read func() (*readImage, error)) (*readImage, error) {
	for {
		w.again()
		found, err := read()
		if err != nil {
			return nil, err
		}
		more, err := w.files.WantLinkTargets()
		if !more && err == nil {
			return found, nil
		}
		found.close()
		if err != nil {
			return nil, err
		}
	}
}

// readyLayers says how each filesystem layer is made that the engine lacks.
func (a *application) readyLayers(ctx context.Context, plan *plan, read *readImage) (map[oci.Digest]readyLayer, func(), error) {
	ready := map[oci.Digest]readyLayer{}
	var closers []io.Closer
	closeAll := func() {
		for _, each := range closers {
			each.Close()
		}
	}
	for id, file := range read.tars {
		info, err := file.Stat()
		if err != nil {
			return nil, closeAll, err
		}
		ready[id] = copyOf(ctx, file, info.Size())
	}
	for at := range plan.image.Layers {
		layer := &plan.image.Layers[at]
		if _, made := ready[layer.DiffID]; made || layer.Kind == bundle.Reused {
			continue
		}
		rebuild := func(w io.Writer) error {
			a.Log("rebuilding filesystem layer %d of %d", at+1, len(plan.image.Layers))
			return a.rebuild(ctx, w, layer, plan)
		}
		if layer.Size >= 0 {
			ready[layer.DiffID] = readyLayer{layer.Size, rebuild}
			continue
		}
		// An archive must say sizes first.
		file, err := temporaryFile(a.folder.Path)
		if err != nil {
			return nil, closeAll, err
		}
		closers = append(closers, file)
		buffered := bufio.NewWriterSize(file, 256<<10)
		if err := rebuild(buffered); err != nil {
			return nil, closeAll, err
		}
		if err := buffered.Flush(); err != nil {
			return nil, closeAll, err
		}
		size, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, closeAll, err
		}
		ready[layer.DiffID] = copyOf(ctx, file, size)
	}
	return ready, closeAll, nil
}

func copyOf(ctx context.Context, file io.ReaderAt, size int64) readyLayer {
	return readyLayer{size, func(w io.Writer) error {
		_, err := io.Copy(w, stoppable(ctx, io.NewSectionReader(file, 0, size)))
		return err
	}}
}

// rebuild makes a filesystem layer out of what the bundle carries, and fails at its end unless its digest is the diffID.
func (a *application) rebuild(ctx context.Context, w io.Writer, layer *bundle.Layer, plan *plan) error {
	blob, err := a.bundle.Blob(layer.Blob)
	if err != nil {
		return err
	}
	blob = stoppable(ctx, blob)
	output := &hashedWriter{inner: &delta.LimitedWriter{W: w, Left: limitOf(layer)}, hash: sha256.New()}
	switch {
	case layer.Kind != bundle.Delta:
		err = unpack(output, blob, a)
	case layer.Blob.MediaType == layerdelta.MediaType:
		ranges := plan.wanted.ranges
		err = layerdelta.Rebuild(output, blob, ranges.File(), ranges.Sources(), int64(a.Budget))
	default:
		codec, _ := a.Codecs.For(layer.Blob.MediaType, a.Budget)
		err = codec.Rebuild(output, blob, plan.wanted.files)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, blob)
	}
	if err != nil {
		if output.failed != nil {
			return output.failed
		}
		return a.unreadable(ctx, layer, err)
	}
	if found := oci.DigestOfSum(output.hash.Sum(nil)); found != layer.DiffID {
		told := failure.Operation("rebuilding the filesystem layer "+string(layer.DiffID),
			"what came out has the digest "+string(found),
			"the source image is not the one that the bundle was made from, or it was altered on this device")
		told.Err = errSource
		return told
	}
	return nil
}

func unpack(w io.Writer, blob io.Reader, a *application) error {
	plain, err := compression.Undo(blob, a.Budget)
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = io.Copy(w, plain)
	return err
}

// hashedWriter remembers whether it was the output that failed, rather than what was read.
type hashedWriter struct {
	inner  *delta.LimitedWriter
	hash   hash.Hash
	failed error
}

func (h *hashedWriter) Write(p []byte) (int, error) {
	h.hash.Write(p)
	tooMuch := int64(len(p)) > h.inner.Left
	n, err := h.inner.Write(p)
	if err != nil && !tooMuch {
		h.failed = err
	}
	return n, err
}

var errStopped = errors.New("the engine takes no more")

// send streams an archive into the engine while it is made.
func (a *application) send(ctx context.Context, archive *loadArchive) (string, error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		err := archive.write(buffered)
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
		written <- err
	}()
	said, err := a.Engine.Load(ctx, r)
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

// stoppable ends a reader once the context does.
func stoppable(ctx context.Context, r io.Reader) io.Reader { return &stoppableReader{ctx, r} }

type stoppableReader struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppableReader) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.r.Read(p)
}
