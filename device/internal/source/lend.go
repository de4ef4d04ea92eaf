package source

import (
	"fmt"
	"io"
	"os"
	"slices"

	"imgbuild/device/internal/oci"
)

// Lend the whole tar of a filesystem layer, uncompressed: what is needed of it is read from there when it is needed, and is not
// copied. The file is closed with the ranges; it is not taken where nothing is needed of that filesystem layer.
func (r *Ranges) Lend(id oci.Digest, tar *os.File, size int64) (taken bool, err error) {
	at := slices.IndexFunc(r.layers, func(layer rangeLayer) bool { return layer.DiffID == id && !layer.found })
	if at < 0 {
		return false, nil
	}
	layer := &r.layers[at]
	if last := layer.Ranges[len(layer.Ranges)-1]; last.Start+last.Size > size {
		return false, fmt.Errorf("the filesystem layer %s has %d bytes, and what lies at %d is read", id, size, last.Start)
	}
	layer.lent, layer.found, layer.places = tar, true, make([]int64, len(layer.Ranges))
	place := layer.place
	for at, each := range layer.Ranges {
		layer.places[at] = place
		place += each.Size
	}
	return true, nil
}

// giveBack what was lent.
func (r *Ranges) giveBack() {
	for at := range r.layers {
		if layer := &r.layers[at]; layer.lent != nil {
			layer.lent.Close()
			layer.lent, layer.places, layer.found = nil, nil, false
		}
	}
}

// ReadAt reads the old file.
func (r *Ranges) ReadAt(p []byte, place int64) (read int, err error) {
	for read < len(p) {
		from, start, size := r.stretch(place)
		if size <= 0 {
			return read, io.EOF
		}
		n, err := from.ReadAt(p[read:read+int(min(size, int64(len(p)-read)))], start)
		read += n
		place += int64(n)
		if err != nil && (err != io.EOF || n == 0) {
			return read, err
		}
	}
	return read, nil
}

// stretch is where the bytes from a place of the old file on are, and how many follow one another there.
func (r *Ranges) stretch(place int64) (from io.ReaderAt, start, size int64) {
	at := after(r.layers, place, func(layer *rangeLayer) int64 { return layer.place })
	if at < 0 || place >= r.sources.RangesSize {
		return r.file, place, r.sources.Size - place
	}
	layer := &r.layers[at]
	if layer.lent == nil {
		end := r.sources.RangesSize
		if at+1 < len(r.layers) {
			end = r.layers[at+1].place
		}
		return r.file, place, end - place
	}
	at = after(layer.places, place, func(start *int64) int64 { return *start })
	within := place - layer.places[at]
	return layer.lent, layer.Ranges[at].Start + within, layer.Ranges[at].Size - within
}

// after is the last of what begins at or before a place; -1 for none.
func after[T any](list []T, place int64, begin func(*T) int64) int {
	low, high := 0, len(list)
	for low < high {
		middle := (low + high) / 2
		if begin(&list[middle]) <= place {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}
