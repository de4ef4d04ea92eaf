// Package layerdelta reads deltas of filesystem layers, and which bytes of the old image they need
// (docs/layer-delta-format.md).
package layerdelta

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta/block"
	"imgbuild/device/internal/oci"
)

// Media types in a bundle.
const (
	MediaType        = "application/vnd.imgbuild.layer-delta.v1"
	SourcesMediaType = "application/vnd.imgbuild.sources.v1"
)

// Version of what a bundle carries that can be read, and all before: layer deltas, their sources, and packages as deltas.
const Version = 5

const (
	sourcesMagic = "ibs1"
	// unpackingMagic is that of a list which has members.
	unpackingMagic = "ibs2"
	layerLimit     = 1024
	rangeLimit     = 1 << 18
)

// Sources are the bytes of the old image that all layer deltas of a new one read from: the old file of each is what these
// ranges hold, one after the other, and then what members of them unpack to.
type Sources struct {
	Layers []OldLayer
	// RangesSize is the size of all ranges, Count their number.
	RangesSize int64
	Count      int
	// Members lie in the ranges.
	Members []Member
	// Size of the old file.
	Size int64
}

// OldLayer is what is needed of one old filesystem layer.
type OldLayer struct {
	DiffID oci.Digest
	Ranges []Range
}

// Range of bytes of an uncompressed tar; ranges are in order and do not overlap.
type Range struct{ Start, Size int64 }

// ReadSources reads what a blob says.
func ReadSources(r io.Reader) (*Sources, error) {
	in := bufio.NewReader(r)
	var magic [len(sourcesMagic)]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil {
		return nil, block.Cut(err)
	}
	if err := expectMagic(magic[:], "list of sources", sourcesMagic, unpackingMagic); err != nil {
		return nil, err
	}
	blocks, err := block.NewReader(in, block.MaxSize)
	if err != nil {
		return nil, err
	}
	defer blocks.Close()
	var streams [1]block.Stream
	if err := blocks.Streams(streams[:]); err != nil {
		return nil, err
	}
	if err := ended(in); err != nil {
		return nil, err
	}
	sources, err := readSources(&streams[0])
	if err != nil {
		return nil, err
	}
	if string(magic[:]) == unpackingMagic {
		err = readMembers(&streams[0], sources.RangesSize, 1, func(each Member) error {
			sources.Members = append(sources.Members, each)
			sources.Size += each.Unpacked
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if !streams[0].Ended() {
		return nil, block.ErrLeft
	}
	if sources.Size > block.MaxNumber {
		return nil, errors.New("it is larger than every file")
	}
	return sources, nil
}

func ended(in *bufio.Reader) error {
	switch _, err := in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("something follows it")
	default:
		return err
	}
}

func readSources(in *block.Stream) (*Sources, error) {
	count, err := in.Uvarint()
	if err != nil {
		return nil, err
	}
	if count > layerLimit {
		return nil, fmt.Errorf("it reads from %d filesystem layers", count)
	}
	sources := &Sources{}
	known := map[oci.Digest]bool{}
	for range count {
		sum, err := in.Take(32)
		if err != nil {
			return nil, err
		}
		layer := OldLayer{DiffID: oci.DigestOfSum(sum)}
		if known[layer.DiffID] {
			return nil, errors.New("it names a filesystem layer twice")
		}
		known[layer.DiffID] = true
		ranges, err := in.Uvarint()
		if err != nil {
			return nil, err
		}
		if ranges < 1 || ranges > rangeLimit-int64(sources.Count) {
			return nil, errors.New("it reads from no range of a filesystem layer, or from too many")
		}
		// Each has two bytes at least: what is not there is not made room for.
		layer.Ranges = make([]Range, 0, min(ranges, int64(len(in.Rest())/2)))
		end := int64(0)
		for range ranges {
			gap, err := in.Uvarint()
			if err != nil {
				return nil, err
			}
			size, err := in.Uvarint()
			if err != nil {
				return nil, err
			}
			if size < 1 || end+gap+size > block.MaxNumber || sources.Size+size > block.MaxNumber {
				return nil, errors.New("it reads from a range that is empty, or beyond every file")
			}
			layer.Ranges = append(layer.Ranges, Range{end + gap, size})
			end += gap + size
			sources.Size += size
		}
		sources.Count += len(layer.Ranges)
		sources.Layers = append(sources.Layers, layer)
	}
	sources.RangesSize = sources.Size
	return sources, nil
}
