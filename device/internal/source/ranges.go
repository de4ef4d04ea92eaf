package source

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/oci"
)

// Ranges of old filesystem layers, each at the place that the list of sources gives it, and behind them what members of them
// unpack to: in one temporary file, but for those of tars that lie on the disk as they are and are lent. Which filesystem
// layer a tar is shows when all of it has been hashed: until then its bytes are put wherever one of those that are still
// missing has them, and the right one overwrites them later.
type Ranges struct {
	sources *layerdelta.Sources
	file    *os.File
	layers  []rangeLayer
	// reading are those that the tar may be that is being read.
	reading  []*rangeCursor
	position int64
}

type rangeLayer struct {
	*layerdelta.OldLayer
	// place of its first range in the file.
	place int64
	found bool
	// lent is where its ranges are read from instead; places are those of its ranges in the old file.
	lent   *os.File
	places []int64
}

// rangeCursor is how far the ranges of a filesystem layer have been filled.
type rangeCursor struct {
	layer *rangeLayer
	// left are those that are not complete; place is where the rest of the first of them goes.
	left  []layerdelta.Range
	place int64
}

// NewRanges is for the sources of one image.
func NewRanges(sources *layerdelta.Sources) *Ranges {
	r := &Ranges{sources: sources, layers: make([]rangeLayer, len(sources.Layers))}
	place := int64(0)
	for at := range sources.Layers {
		layer := &sources.Layers[at]
		r.layers[at] = rangeLayer{OldLayer: layer, place: place}
		for _, each := range layer.Ranges {
			place += each.Size
		}
	}
	return r
}

// Sources are what the ranges are of.
func (r *Ranges) Sources() *layerdelta.Sources { return r.sources }

// Spool puts them into a file without a name in folder.
func (r *Ranges) Spool(folder string) (err error) {
	r.file, err = temporaryFile(folder)
	return err
}

// Close frees the disk.
func (r *Ranges) Close() error {
	r.giveBack()
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}

// Again forgets what was found, for another reading.
func (r *Ranges) Again() {
	r.giveBack()
	for at := range r.layers {
		r.layers[at].found = false
	}
}

// Begin the tar of a filesystem layer, which is then written to Ranges. name is that in the engine's archive: some name it by
// its digest.
func (r *Ranges) Begin(name string) {
	r.reading, r.position = r.reading[:0], 0
	for at := range r.layers {
		layer := &r.layers[at]
		named := strings.TrimSuffix(path.Base(name), ".tar") == layer.DiffID.Hex()
		if named {
			r.reading = r.reading[:0]
		}
		if !layer.found {
			r.reading = append(r.reading, &rangeCursor{layer, layer.Ranges, layer.place})
		}
		if named {
			return
		}
	}
}

// Write takes the next bytes of the tar.
func (r *Ranges) Write(p []byte) (int, error) {
	for _, cursor := range r.reading {
		if err := cursor.fill(r.file, p, r.position); err != nil {
			return 0, err
		}
	}
	r.position += int64(len(p))
	return len(p), nil
}

func (c *rangeCursor) fill(file *os.File, p []byte, position int64) error {
	end := position + int64(len(p))
	for len(c.left) > 0 && c.left[0].Start < end {
		each := c.left[0]
		// What is before the position has been put already.
		from, to := max(each.Start, position), min(each.Start+each.Size, end)
		if _, err := file.WriteAt(p[from-position:to-position], c.place); err != nil {
			return err
		}
		c.place += to - from
		if to < each.Start+each.Size {
			return nil
		}
		c.left = c.left[1:]
	}
	return nil
}

// Commit says which filesystem layer was read last. It fails where that is shorter than what is needed of it.
func (r *Ranges) Commit(id oci.Digest) error {
	for _, cursor := range r.reading {
		if cursor.layer.DiffID != id {
			continue
		}
		if len(cursor.left) > 0 {
			return fmt.Errorf("the filesystem layer %s has %d bytes, and what lies at %d is read", id, r.position, cursor.left[0].Start)
		}
		cursor.layer.found = true
	}
	return nil
}

// Missing is a filesystem layer that has not been read; "" where all have been.
func (r *Ranges) Missing() oci.Digest {
	for at := range r.layers {
		if !r.layers[at].found {
			return r.layers[at].DiffID
		}
	}
	return ""
}

// Unpack what is to be unpacked, once all ranges are there.
func (r *Ranges) Unpack() error {
	end := r.sources.RangesSize
	for _, member := range r.sources.Members {
		into := bufio.NewWriterSize(io.NewOffsetWriter(r.file, end), 256<<10)
		ranges := io.NewSectionReader(r, 0, r.sources.RangesSize)
		if err := layerdelta.Unpack(into, ranges, member); err != nil {
			return err
		}
		if err := into.Flush(); err != nil {
			return err
		}
		end += member.Unpacked
	}
	return nil
}

// File is what the ranges hold, one after the other, and then what members unpack to.
func (r *Ranges) File() delta.File { return io.NewSectionReader(r, 0, r.sources.Size) }
