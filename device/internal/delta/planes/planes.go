// Package planes decodes the planes coding (docs/layer-delta-format.md): numbers of models, taken apart into their bytes.
package planes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
)

// streams of a block, in their order.
const (
	insert = iota
	kind
	seek
	length
	gap
	run
	difference
	data
	byte0
	half0
	half1
	word0
	word1
	word2
	word3
	streamCount
)

// Streams of a block.
const Streams = streamCount

// Kinds of what follows an insertion. That of elements which are compared is how many bytes they have; of those that are not, so
// many more.
const (
	copied = 0
	alone  = 16
)

const (
	pieceLimit = 1 << 20
	// atOnce is how many bytes are made at once; every width divides it.
	atOnce = 1 << 16
)

// firstPlane of elements by their width.
var firstPlane = map[int64]int{1: byte0, 2: half0, 4: word0}

// Decoder of blocks against one old file.
type Decoder struct {
	Old    delta.File
	buffer []byte
}

// Blocks writes size bytes, as many blocks as that takes.
func (d *Decoder) Blocks(w io.Writer, r *block.Reader, size int64) error {
	for size > 0 {
		var streams [streamCount]block.Stream
		made, err := r.Next(size, streams[:])
		if err != nil {
			return err
		}
		if err := d.block(w, &streams, made); err != nil {
			return err
		}
		size -= made
	}
	return nil
}

func (d *Decoder) block(w io.Writer, streams *[streamCount]block.Stream, size int64) error {
	differences := block.NewDifferences(&streams[gap], &streams[run], &streams[difference])
	place := int64(0)
	for left := size; left > 0; {
		inserted, err := streams[insert].Uvarint()
		if err != nil {
			return err
		}
		if inserted > left {
			return errors.New("it inserts more than a block makes")
		}
		bytes, err := streams[data].Take(int(inserted))
		if err != nil {
			return err
		}
		if _, err := w.Write(bytes); err != nil {
			return err
		}
		if left -= inserted; left == 0 {
			break
		}
		next, err := read(streams, left)
		if err != nil {
			return err
		}
		place += next.moved
		if err := d.make(w, streams, &differences, next, place); err != nil {
			return err
		}
		if !next.alone {
			place += next.size
		}
		left -= next.size
	}
	if err := differences.End(); err != nil {
		return err
	}
	for at := range streams {
		if !streams[at].Ended() {
			return block.ErrLeft
		}
	}
	return nil
}

// operation that follows an insertion.
type operation struct {
	size, moved int64
	// width of the elements, 0 of bytes with differences.
	width int64
	alone bool
}

func read(streams *[streamCount]block.Stream, left int64) (next operation, err error) {
	code, err := streams[kind].Byte()
	if err != nil {
		return next, err
	}
	switch code {
	case copied, 1, 2, 4:
		next.width = int64(code)
		if next.moved, err = streams[seek].Svarint(); err != nil {
			return next, err
		}
	case alone + 2, alone + 4:
		next.width, next.alone = int64(code-alone), true
	default:
		return next, fmt.Errorf("it has elements of the kind %d", code)
	}
	if next.size, err = streams[length].Uvarint(); err != nil {
		return next, err
	}
	if next.size < 1 || next.size > pieceLimit || next.size > left {
		return next, fmt.Errorf("it copies %d bytes", next.size)
	}
	if next.width > 0 && next.size%next.width != 0 {
		return next, fmt.Errorf("it has %d bytes of elements of %d", next.size, next.width)
	}
	return next, nil
}

func (d *Decoder) make(
	w io.Writer, streams *[streamCount]block.Stream, differences *block.Differences, next operation, place int64,
) error {
	if !next.alone && (place < 0 || next.size > d.Old.Size()-place) {
		return fmt.Errorf("it reads %d bytes at %d of an old file that has %d", next.size, place, d.Old.Size())
	}
	if d.buffer == nil {
		d.buffer = make([]byte, atOnce)
	}
	for done := int64(0); done < next.size; {
		bytes := d.buffer[:min(atOnce, next.size-done)]
		if !next.alone {
			if n, err := d.Old.ReadAt(bytes, place+done); n < len(bytes) {
				return fmt.Errorf("reading the old file: %w", err)
			}
		}
		if next.width == 0 {
			if err := differences.Add(bytes); err != nil {
				return err
			}
		} else {
			planes, err := take(streams, next.width, len(bytes))
			if err != nil {
				return err
			}
			join(bytes, planes, next)
		}
		if _, err := w.Write(bytes); err != nil {
			return err
		}
		done += int64(len(bytes))
	}
	return nil
}

// take is what the planes of elements of so many bytes have next.
func take(streams *[streamCount]block.Stream, width int64, size int) (planes [4][]byte, err error) {
	for at := range width {
		if planes[at], err = streams[firstPlane[width]+int(at)].Take(size / int(width)); err != nil {
			return planes, err
		}
	}
	return planes, nil
}

// join puts elements together. Where they are not alone, bytes holds the old ones.
func join(bytes []byte, planes [4][]byte, next operation) {
	first, second, third, fourth := planes[0], planes[1], planes[2], planes[3]
	switch {
	case next.width == 1:
		for at, each := range first {
			bytes[at] += each>>1 ^ -(each & 1)
		}
	case next.width == 2 && next.alone:
		for at, low := range first {
			each := uint16(low) | uint16(second[at])<<8
			binary.LittleEndian.PutUint16(bytes[2*at:], each>>1|each<<15)
		}
	case next.width == 2:
		for at, low := range first {
			each := uint16(low) | uint16(second[at])<<8
			old := binary.LittleEndian.Uint16(bytes[2*at:])
			binary.LittleEndian.PutUint16(bytes[2*at:], old+(each>>1^-(each&1)))
		}
	case next.alone:
		for at, low := range first {
			each := uint32(low) | uint32(second[at])<<8 | uint32(third[at])<<16 | uint32(fourth[at])<<24
			binary.LittleEndian.PutUint32(bytes[4*at:], each>>1|each<<31)
		}
	default:
		for at, low := range first {
			each := uint32(low) | uint32(second[at])<<8 | uint32(third[at])<<16 | uint32(fourth[at])<<24
			old := binary.LittleEndian.Uint32(bytes[4*at:])
			binary.LittleEndian.PutUint32(bytes[4*at:], old+(each>>1^-(each&1)))
		}
	}
}
