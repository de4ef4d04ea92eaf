package layerdelta

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
	"imgbuild/device/internal/delta/deflate"
)

const (
	memberLimit = 1 << 16
	// unpackedLimit of one member; mostUnpacked is how much more than its size a deflate stream can unpack to.
	unpackedLimit = 1 << 30
	mostUnpacked  = 1032
	// membersLimit of the unpacked stream that lists them.
	membersLimit  = 1 << 21
	bytesOfMember = 24
)

// Member is a deflate stream (RFC 1951) within a file: of a gzip file, a zip archive, whatever else has one.
type Member struct {
	Start, Size int64
	// Unpacked is the size of what it unpacks to.
	Unpacked int64
}

// Repacked is a member of the new tar, which is made by packing.
type Repacked struct {
	Member
	Profile int
}

// readMembers reads a list of members of a file of that size, and calls each with every one. fewest is how many there must be.
func readMembers(in *block.Stream, size, fewest int64, each func(Member) error) error {
	count, err := in.Uvarint()
	if err != nil {
		return err
	}
	if count < fewest || count > memberLimit {
		return fmt.Errorf("it has %d members", count)
	}
	end := int64(0)
	for range count {
		var numbers [3]int64
		for at := range numbers {
			if numbers[at], err = in.Uvarint(); err != nil {
				return err
			}
		}
		member := Member{end + numbers[0], numbers[1], numbers[2]}
		if member.Size < 1 || member.Start > size || member.Size > size-member.Start {
			return errors.New("it has a member that its file has not")
		}
		if member.Unpacked < 1 || member.Unpacked > unpackedLimit || member.Unpacked > mostUnpacked*member.Size {
			return fmt.Errorf("it has a member of %d bytes that should unpack to %d", member.Size, member.Unpacked)
		}
		end = member.Start + member.Size
		if err := each(member); err != nil {
			return err
		}
	}
	return nil
}

// readLists reads the lists of a layer delta: of members, of which there may be none from version 3 on, and from version 4 on one of
// headers.
func readLists(in *bufio.Reader, size int64, mayBeEmpty, both bool) (members []Repacked, headers block.Stream, err error) {
	blocks, err := block.NewReader(in, membersLimit)
	if err != nil {
		return nil, headers, err
	}
	defer blocks.Close()
	var streams [2]block.Stream
	if !both {
		err = blocks.Streams(streams[:1])
	} else if err = blocks.Streams(streams[:]); err == nil && streams[0].Ended() {
		return nil, streams[1], nil
	}
	if err != nil {
		return nil, headers, err
	}
	fewest := int64(1)
	if mayBeEmpty {
		fewest = 0
	}
	err = readMembers(&streams[0], size, fewest, func(each Member) error {
		profile, err := streams[0].Byte()
		if err == nil {
			err = deflate.Known(int(profile))
		}
		members = append(members, Repacked{each, int(profile)})
		return err
	})
	if err == nil && !streams[0].Ended() {
		err = block.ErrLeft
	}
	return members, streams[1], err
}

// ErrMember is of a member that does not unpack to what it should.
var ErrMember = errors.New("what is read of the source image does not unpack")

// Unpack writes what a member of a file unpacks to. It fails with ErrMember where that is no deflate stream of these sizes, and
// writes at most one byte more than it says.
func Unpack(w io.Writer, file delta.File, member Member) error {
	in := bufio.NewReaderSize(io.NewSectionReader(file, member.Start, member.Size), 64<<10)
	plain := flate.NewReader(in)
	defer plain.Close()
	made, err := io.Copy(w, io.LimitReader(plain, member.Unpacked+1))
	var corrupt flate.CorruptInputError
	wrong := errors.As(err, &corrupt) || err == io.ErrUnexpectedEOF
	if err != nil && !wrong {
		return err
	}
	if _, ended := in.ReadByte(); wrong || made != member.Unpacked || ended != io.EOF {
		return fmt.Errorf("%w: the %d bytes at %d to %d", ErrMember, member.Size, member.Start, member.Unpacked)
	}
	return nil
}

// repacker takes a tar whose members are unpacked, and writes it as it is to be.
type repacker struct {
	w       io.Writer
	members []Repacked
	// size of what was written.
	size int64
	// packing is the first of the members, left of which is to come.
	packing *deflate.Writer
	left    int64
	// last that packed, for another member in its profile.
	last        *deflate.Writer
	lastProfile int
}

func (r *repacker) Write(p []byte) (int, error) {
	written := len(p)
	for len(p) > 0 {
		if r.packing == nil && len(r.members) > 0 && r.size == r.members[0].Start {
			if err := r.begin(); err != nil {
				return 0, err
			}
		}
		part, into := p, io.Writer(r.counted())
		switch {
		case r.packing != nil:
			part, into = p[:min(int64(len(p)), r.left)], r.packing
		case len(r.members) > 0:
			part = p[:min(int64(len(p)), r.members[0].Start-r.size)]
		}
		if _, err := into.Write(part); err != nil {
			return 0, err
		}
		p = p[len(part):]
		if r.packing == nil {
			continue
		}
		if r.left -= int64(len(part)); r.left == 0 {
			if err := r.end(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (r *repacker) begin() (err error) {
	r.left = r.members[0].Unpacked
	into := &delta.LimitedWriter{W: r.counted(), Left: r.members[0].Size}
	if profile := r.members[0].Profile; r.last != nil && profile == r.lastProfile {
		r.last.Reset(into)
	} else {
		r.last, err = deflate.NewWriter(into, profile)
		r.lastProfile = profile
	}
	r.packing = r.last
	return err
}

func (r *repacker) end() error {
	if err := r.packing.Close(); err != nil {
		return err
	}
	member := r.members[0]
	if r.size != member.Start+member.Size {
		return fmt.Errorf("the member at %d has not %d bytes when it is packed", member.Start, member.Size)
	}
	r.packing, r.members = nil, r.members[1:]
	return nil
}

func (r *repacker) counted() io.Writer { return (*countedWriter)(r) }

// countedWriter is the writer of a repacker, which counts.
type countedWriter repacker

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.size += int64(n)
	return n, err
}
