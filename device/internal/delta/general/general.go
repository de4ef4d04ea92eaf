// Package general decodes the general coding (docs/delta-format.md): copies from the old file, with differences, and what is
// new between them.
package general

import (
	"errors"
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
)

// Streams of a block.
const Streams = 7

const copyLimit = 1 << 20

// Decoder of blocks against one old file.
type Decoder struct {
	Old    delta.File
	buffer []byte
}

// Blocks writes size bytes, as many blocks as that takes.
func (d *Decoder) Blocks(w io.Writer, r *block.Reader, size int64) error {
	for size > 0 {
		made, err := d.block(w, r, size)
		if err != nil {
			return err
		}
		size -= made
	}
	return nil
}

func (d *Decoder) block(w io.Writer, r *block.Reader, limit int64) (int64, error) {
	var streams [Streams]block.Stream
	size, err := r.Next(limit, streams[:])
	if err != nil {
		return 0, err
	}
	insert, seek, copies, data := &streams[0], &streams[1], &streams[2], &streams[6]
	differences := block.NewDifferences(&streams[3], &streams[4], &streams[5])
	place := int64(0)
	for left := size; left > 0; {
		inserted, err := insert.Uvarint()
		if err != nil {
			return 0, err
		}
		if inserted > left {
			return 0, errors.New("it inserts more than a block makes")
		}
		bytes, err := data.Take(int(inserted))
		if err != nil {
			return 0, err
		}
		if _, err := w.Write(bytes); err != nil {
			return 0, err
		}
		if left -= inserted; left == 0 {
			break
		}
		moved, err := seek.Svarint()
		if err != nil {
			return 0, err
		}
		place += moved
		copied, err := copies.Uvarint()
		if err != nil {
			return 0, err
		}
		if copied < 1 || copied > copyLimit || copied > left {
			return 0, fmt.Errorf("it copies %d bytes", copied)
		}
		predicted, err := d.read(place, copied)
		if err != nil {
			return 0, err
		}
		if err := differences.Add(predicted); err != nil {
			return 0, err
		}
		if _, err := w.Write(predicted); err != nil {
			return 0, err
		}
		place += copied
		left -= copied
	}
	if err := differences.End(); err != nil {
		return 0, err
	}
	for at := range streams {
		if !streams[at].Ended() {
			return 0, block.ErrLeft
		}
	}
	return size, nil
}

func (d *Decoder) read(place, size int64) ([]byte, error) {
	if place < 0 || size > d.Old.Size()-place {
		return nil, fmt.Errorf("it reads %d bytes at %d of an old file that has %d", size, place, d.Old.Size())
	}
	if d.buffer == nil {
		d.buffer = make([]byte, copyLimit)
	}
	bytes := d.buffer[:size]
	if n, err := d.Old.ReadAt(bytes, place); n < len(bytes) {
		return nil, fmt.Errorf("reading the old file: %w", err)
	}
	return bytes, nil
}
