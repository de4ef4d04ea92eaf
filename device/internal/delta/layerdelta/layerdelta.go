package layerdelta

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
	"imgbuild/device/internal/delta/deflate"
	"imgbuild/device/internal/delta/elf"
	"imgbuild/device/internal/delta/general"
	"imgbuild/device/internal/delta/planes"
)

const (
	magic = "ibl1"
	// repackingMagic is that of a delta which lists members.
	repackingMagic = "ibl2"
	// planesMagic is that of a delta which lists members, or none, and may have models.
	planesMagic = "ibl3"
	// sharingMagic is that of a delta which lists headers, or has streams that several blocks share; it may list members, too.
	sharingMagic = "ibl4"
	// bytesOfRange is what a range of the sources takes while they are read.
	bytesOfRange = 16
	mebi         = 1 << 20
	codingELF    = 1
	codingPlanes = 2
	// codingShared stands for streams that the blocks behind it share.
	codingShared = 3
)

// header of a layer delta.
type header struct {
	oldSize, newSize, blockSize int64
	// grant is what is declared of memory besides that for blocks and lists.
	grant int64
	// members of the new tar, which are made by packing.
	members []Repacked
	// planes says that the coding of models is known to it.
	planes bool
	// headers of the new tar, as they are listed, and whether streams may be shared.
	headers block.Stream
	shares  bool
}

// expanded is the size of the new tar with its members unpacked: what the parts make.
func (h *header) expanded() int64 {
	size := h.newSize
	for _, each := range h.members {
		size += each.Unpacked - each.Size
	}
	return size
}

func readHeader(in *bufio.Reader, sources *Sources, memory int64) (h header, err error) {
	var first [len(magic)]byte
	if _, err := io.ReadFull(in, first[:]); err != nil {
		return h, block.Cut(err)
	}
	if err := expectMagic(first[:], "delta of a filesystem layer", magic, repackingMagic, planesMagic, sharingMagic); err != nil {
		return h, err
	}
	var needed int64
	for _, into := range []*int64{&h.oldSize, &h.newSize, &h.blockSize, &needed} {
		if *into, err = block.ReadUvarint(in); err != nil {
			return h, err
		}
	}
	if h.oldSize != sources.Size {
		return h, fmt.Errorf("it reads from %d bytes, and the sources have %d", h.oldSize, sources.Size)
	}
	if needed > memory {
		return h, fmt.Errorf("it needs %d MiB of memory, and %d MiB are granted: `--memory %[1]d` grants that",
			(needed+mebi-1)/mebi, memory/mebi)
	}
	h.grant = needed - block.Memory(h.blockSize) - bytesOfRange*int64(sources.Count) - bytesOfMember*int64(len(sources.Members))
	if name := string(first[:]); name != magic {
		h.shares = name == sharingMagic
		h.planes = h.shares || name == planesMagic
		if h.members, h.headers, err = readLists(in, h.newSize, h.planes, h.shares); err != nil {
			return h, err
		}
		h.grant -= int64(len(h.headers.Rest()))
	}
	if len(h.members) > 0 {
		h.grant -= bytesOfMember*int64(len(h.members)) + deflate.Memory
	}
	if h.grant < 0 {
		return h, errors.New("it needs more memory than it declares")
	}
	return h, nil
}

// expectMagic says whether it is of a version that is not known.
func expectMagic(found []byte, what string, known ...string) error {
	name := string(found)
	switch last := name[len(name)-1]; {
	case slices.Contains(known, name):
		return nil
	case name[:len(name)-1] == known[0][:len(name)-1] && last >= '0' && last <= '9':
		return fmt.Errorf("it is of the version %s, which cannot be read", name)
	default:
		return fmt.Errorf("it is no %s", what)
	}
}

// parts of a delta, which alternate.
type parts interface {
	// general makes so many bytes against the whole old file.
	general(size int64) error
	// file makes so many bytes of a file in that coding against a range of it.
	file(coding byte, size, start, length int64) error
	// share reads streams for the parts behind it.
	share() error
}

func readParts(in *block.Reader, h header, to parts) error {
	for left := h.expanded(); left > 0; {
		size, err := in.Uvarint()
		if err != nil {
			return err
		}
		if size > left {
			return errors.New("a part of it makes more than the filesystem layer has")
		}
		if err := to.general(size); err != nil {
			return err
		}
		if left -= size; left == 0 {
			break
		}
		coding, err := in.ReadByte()
		if err != nil {
			return block.Cut(err)
		}
		if coding == codingShared && h.shares {
			if err := to.share(); err != nil {
				return err
			}
			continue
		}
		if coding != codingELF && (coding != codingPlanes || !h.planes) {
			return fmt.Errorf("it has the coding %d, which cannot be read", coding)
		}
		var numbers [3]int64
		for at := range numbers {
			if numbers[at], err = in.Uvarint(); err != nil {
				return err
			}
		}
		size, start, length := numbers[0], numbers[1], numbers[2]
		if size < 1 || size > left {
			return errors.New("a file of it has more than the filesystem layer")
		}
		if length > h.oldSize-start {
			return errors.New("it reads beyond its sources")
		}
		if err := to.file(coding, size, start, length); err != nil {
			return err
		}
		left -= size
	}
	return in.AllShared()
}

func read(r io.Reader, sources *Sources, memory int64, begin func(*block.Reader, header) parts) error {
	in := bufio.NewReaderSize(r, 64<<10)
	h, err := readHeader(in, sources, memory)
	if err != nil {
		return err
	}
	blocks, err := block.NewReader(in, h.blockSize)
	if err != nil {
		return err
	}
	defer blocks.Close()
	if err := readParts(blocks, h, begin(blocks, h)); err != nil {
		return err
	}
	return ended(in)
}

// Rebuild writes the new tar out of a delta and the old file. memory is what is granted. Whether it is the right one is for
// its digest to tell.
func Rebuild(w io.Writer, r io.Reader, old delta.File, sources *Sources, memory int64) error {
	var restoring *restorer
	var wrong error
	err := read(r, sources, memory, func(in *block.Reader, h header) parts {
		if !h.headers.Ended() {
			restoring, wrong = newRestorer(w, h.headers)
			w = restoring
		}
		if len(h.members) > 0 {
			w = &repacker{w: w, members: h.members}
		}
		return &rebuilder{in: in, header: h, w: w, old: old, blocks: general.Decoder{Old: old}}
	})
	if err == nil {
		err = wrong
	}
	if err == nil && restoring != nil {
		err = restoring.end()
	}
	return err
}

type rebuilder struct {
	header
	in     *block.Reader
	w      io.Writer
	old    delta.File
	blocks general.Decoder
	elf    elf.Decoder
	models planes.Decoder
}

func (b *rebuilder) general(size int64) error { return b.blocks.Blocks(b.w, b.in, size) }

func (b *rebuilder) file(coding byte, size, start, length int64) error {
	old := io.NewSectionReader(b.old, start, length)
	if coding == codingPlanes {
		b.models.Old = old
		return b.models.Blocks(b.w, b.in, size)
	}
	return b.elf.Decode(b.w, b.in, old, size, b.grant-b.in.Shared())
}

func (b *rebuilder) share() error {
	if err := b.in.Share(); err != nil {
		return err
	}
	if b.in.Shared() > b.grant {
		return errors.New("it needs more memory than it declares")
	}
	return nil
}

// Scan reads a delta to its end without any old file, and checks what it says of itself: deltas of more than limit bytes of
// output are refused, and those that need more memory than is granted.
func Scan(r io.Reader, sources *Sources, memory, limit int64) error {
	var tooMuch error
	err := read(r, sources, memory, func(in *block.Reader, h header) parts {
		if h.newSize > limit {
			tooMuch = errors.New("it becomes larger than the bundle says")
		}
		return &scanner{in, tooMuch}
	})
	if tooMuch != nil {
		return tooMuch
	}
	return err
}

type scanner struct {
	in      *block.Reader
	refused error
}

func (s *scanner) general(size int64) error { return s.skip(size, general.Streams) }

func (s *scanner) skip(size int64, streams int) error {
	for size > 0 && s.refused == nil {
		made, err := s.in.Skip(size, streams)
		if err != nil {
			return err
		}
		size -= made
	}
	return s.refused
}

func (s *scanner) file(coding byte, size, _, _ int64) error {
	if coding == codingPlanes {
		return s.skip(size, planes.Streams)
	}
	if err := s.in.SkipStreams(elf.FirstStreams); err != nil {
		return err
	}
	return s.skip(size, elf.Streams)
}

func (s *scanner) share() error { return s.in.SkipShared() }
