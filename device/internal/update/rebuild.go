package update

import (
	"bufio"
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/compression"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

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
		if ctx.Err() != nil || layer.Kind != bundle.Delta {
			return a.unreadable(ctx, layer, err)
		}
		// Every byte of the delta has been checked before: it is the old ones that are others now, or cannot be read.
		told := failure.Operation("rebuilding the filesystem layer "+string(layer.DiffID), err.Error(),
			"the source image was altered, or cannot be read on this device: load or pull the old release again, or load the new one as a whole")
		told.Err = errSource
		return told
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
