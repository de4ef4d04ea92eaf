package update

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/source"
)

// wanted of a source image: the files that deltas of the public format open, and the ranges of its filesystem layers that
// imgbuild's own read.
type wanted struct {
	files *source.Files
	// ranges are nil where the bundle names no sources.
	ranges *source.Ranges
	// moved are filesystem layers that the engine itself reads, to unpack them anew.
	moved map[oci.Digest]bool
}

var _ blobVisitor = (*wanted)(nil)

// newWanted reads what the bundle says of an image's sources.
func newWanted(b *bundle.Bundle, image *bundle.Image, budget memory.Budget) (*wanted, error) {
	w := &wanted{files: source.NewFiles(budget)}
	if image.Sources == nil {
		return w, nil
	}
	blob, err := b.Blob(*image.Sources)
	if err != nil {
		return nil, err
	}
	sources, err := layerdelta.ReadSources(blob)
	if err != nil {
		return nil, fmt.Errorf("its list of sources: %w", err)
	}
	w.ranges = source.NewRanges(sources)
	return w, nil
}

// nothing tells whether no byte of the source image is needed.
func (w *wanted) nothing() bool {
	return w.files.Len() == 0 && (w.ranges == nil || len(w.ranges.Sources().Layers) == 0)
}

// bytes that all of it takes on the disk at most.
func (w *wanted) bytes() int64 {
	sum := w.files.Bytes()
	if w.ranges != nil {
		sum += w.ranges.Sources().Size
	}
	return max(sum, 0)
}

// isIn tells whether an image has every filesystem layer that ranges are wanted of.
func (w *wanted) isIn(image *engine.Image) bool {
	if w.ranges == nil {
		return true
	}
	return !slices.ContainsFunc(w.ranges.Sources().Layers, func(layer layerdelta.OldLayer) bool {
		return !slices.Contains(image.DiffIDs, layer.DiffID)
	})
}

// needs tells whether a filesystem layer of the source image has to be read. Files are wanted by their paths, which any may have;
// and an altered one that the engine would unpack is to be known before it tries.
func (w *wanted) needs(id oci.Digest) bool {
	return w.files.Len() > 0 || w.moved[id] || w.ranges != nil && slices.ContainsFunc(w.ranges.Sources().Layers,
		func(layer layerdelta.OldLayer) bool { return layer.DiffID == id })
}

// lend the tar of a filesystem layer: ranges of it are read from there.
func (w *wanted) lend(id oci.Digest, tar *os.File, size int64) (taken bool, err error) {
	if w.ranges == nil {
		return false, nil
	}
	return w.ranges.Lend(id, tar, size)
}

func (w *wanted) spool(folder string) error {
	if w.ranges != nil {
		if err := w.ranges.Spool(folder); err != nil {
			return err
		}
	}
	return w.files.Spool(folder)
}

// unpack what is to be unpacked of what was read.
func (w *wanted) unpack() error {
	if w.ranges == nil {
		return nil
	}
	err := w.ranges.Unpack()
	if errors.Is(err, layerdelta.ErrMember) {
		told := failure.Operation("reading the source image", err.Error(),
			"the source image is not the one that the bundle was made from, or it was altered on this device")
		told.Err = errSource
		return told
	}
	return err
}

func (w *wanted) close() error {
	if w.ranges != nil {
		w.ranges.Close()
	}
	return w.files.Close()
}

func (w *wanted) again() {
	if w.ranges != nil {
		w.ranges.Again()
	}
	w.files.Again()
}

func (w *wanted) Add(name string, r io.Reader) error {
	if w.ranges != nil {
		w.ranges.Begin(name)
		r = io.TeeReader(r, w.ranges)
	}
	return w.files.Add(r)
}

func (w *wanted) Commit(layer int, id oci.Digest) error {
	w.files.Commit(layer)
	if w.ranges != nil {
		return w.ranges.Commit(id)
	}
	return nil
}
