package tardiff

import (
	"fmt"
	"io"

	"imgbuild/device/internal/delta"
)

// rebuilder puts out what the operations make of old files.
type rebuilder struct {
	w        io.Writer
	old      delta.Files
	file     delta.File
	path     string
	position int64
	buffer   []byte
	sums     []byte
}

func (b *rebuilder) data(r io.Reader, _ int64) error {
	_, err := io.CopyBuffer(b.w, r, b.buffer)
	return err
}

func (b *rebuilder) open(path string) (err error) {
	b.path, b.position = path, 0
	b.file, err = b.old.Open(path)
	return err
}

func (b *rebuilder) seek(position int64) error {
	if b.file == nil {
		return errNoSource
	}
	b.position = position
	return nil
}

// check tells at once, whatever the size: nothing is put out that the file cannot give.
func (b *rebuilder) check(size int64) error {
	if b.file == nil {
		if size == 0 {
			return nil
		}
		return errNoSource
	}
	if size > b.file.Size()-b.position {
		return fmt.Errorf("it reads %d bytes at %d of %s, which has %d", size, b.position, b.path, b.file.Size())
	}
	return nil
}

func (b *rebuilder) next(size int64) ([]byte, error) {
	piece := b.buffer[:min(size, int64(len(b.buffer)))]
	if n, err := b.file.ReadAt(piece, b.position); n < len(piece) {
		return nil, fmt.Errorf("reading %s: %w", b.path, err)
	}
	b.position += int64(len(piece))
	return piece, nil
}

func (b *rebuilder) copy(size int64) error {
	if err := b.check(size); err != nil {
		return err
	}
	for size > 0 {
		piece, err := b.next(size)
		if err != nil {
			return err
		}
		if _, err := b.w.Write(piece); err != nil {
			return err
		}
		size -= int64(len(piece))
	}
	return nil
}

func (b *rebuilder) add(r io.Reader, size int64) error {
	if size == 0 {
		return nil
	}
	if err := b.check(size); err != nil {
		return err
	}
	for size > 0 {
		piece, err := b.next(size)
		if err != nil {
			return err
		}
		sums := b.sums[:len(piece)]
		if _, err := io.ReadFull(r, sums); err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return errCut
			}
			return err
		}
		for at, value := range piece {
			sums[at] += value
		}
		if _, err := b.w.Write(sums); err != nil {
			return err
		}
		size -= int64(len(piece))
	}
	return nil
}
