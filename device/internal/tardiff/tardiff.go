// Package tardiff reads tar-diff, version 1 (containers/tar-diff, file-format.md): a header, then one zstd stream of
// operations. An operation is one byte, a uvarint, and for some of them as many bytes as the uvarint says.
package tardiff

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"imgbuild/device/internal/compression"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/memory"
)

// MediaType of such a delta in an OCI manifest.
const MediaType = "application/vnd.tar-diff"

const header = "tardf1\n\x00"

// Operations.
const (
	opData    = 0 // put out the bytes that follow
	opOpen    = 1 // read from this file, from its start
	opCopy    = 2 // put out that many bytes of the file
	opAddData = 3 // add the bytes that follow to as many of the file, byte by byte, and put out the sums
	opSeek    = 4 // go to that position of the file
)

const (
	// pathLimit is Linux's PATH_MAX.
	pathLimit = 4096
	// numberLimit is the largest integer that every reader of the format represents.
	numberLimit = 1<<53 - 1
	bufferSize  = 256 * 1024
	// A stream has this many bytes for each one that it puts out, at most: a tar header of 512 bytes comes with an
	// operation or two and a path. One that has more only wastes time.
	overhead     = 16
	overheadFree = 1 << 20
)

// New makes a codec that takes no more memory than the budget's window and a few buffers.
func New(budget memory.Budget) delta.Codec { return codec{budget} }

type codec struct{ budget memory.Budget }

// visitor is told what the operations do. The contents of data and add must be read from r to their end.
type visitor interface {
	data(r io.Reader, size int64) error
	open(path string) error
	copy(size int64) error
	add(r io.Reader, size int64) error
	seek(position int64) error
}

func (c codec) Scan(r io.Reader, limit int64, use func(path string, end int64) error) error {
	scan := &scanner{limit: limit, use: use}
	if err := c.read(r, scan); err != nil {
		return err
	}
	return scan.leave()
}

func (c codec) Rebuild(w io.Writer, r io.Reader, old delta.Files) error {
	return c.read(r, &rebuilder{w: w, old: old, buffer: make([]byte, bufferSize), sums: make([]byte, bufferSize)})
}

func (c codec) read(r io.Reader, to visitor) error {
	head := make([]byte, len(header))
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	if string(head[:n]) != header {
		if strings.HasPrefix(string(head[:n]), "tardf") {
			return fmt.Errorf("it is of the version %.6q, which cannot be read", head)
		}
		return errors.New("it is no tar-diff")
	}
	stream, err := compression.Zstd(r, c.budget)
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := readOperations(bufio.NewReaderSize(stream, bufferSize), to); err != nil {
		return err
	}
	// What follows the stream belongs to the digest.
	_, err = io.Copy(io.Discard, r)
	return err
}

func readOperations(r *bufio.Reader, to visitor) error {
	var in, out int64
	for {
		code, err := r.ReadByte()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		size, err := readSize(r)
		if err != nil {
			return err
		}
		in += 2
		switch code {
		case opData, opAddData:
			contents := &io.LimitedReader{R: r, N: size}
			do := to.data
			if code == opAddData {
				do = to.add
			}
			if err := do(contents, size); err != nil {
				return err
			}
			if contents.N > 0 {
				return errCut
			}
			in, out = in+size, out+size
		case opOpen:
			path, err := readPath(r, size)
			if err != nil {
				return err
			}
			if err := to.open(path); err != nil {
				return err
			}
			in += size
		case opCopy:
			if err := to.copy(size); err != nil {
				return err
			}
			out += size
		case opSeek:
			if err := to.seek(size); err != nil {
				return err
			}
		default:
			return fmt.Errorf("it has an operation %d, which the format does not have", code)
		}
		if out > numberLimit || in > numberLimit {
			return errTooLarge
		}
		if in > overheadFree && (in-overheadFree)/overhead > out {
			return errors.New("it has operations that put nothing out")
		}
	}
}

var (
	errCut      = errors.New("it ends inside an operation")
	errTooLarge = errors.New("it has a number that is too large")
)

// readSize reads a uvarint of at most eight bytes.
func readSize(r io.ByteReader) (int64, error) {
	var size int64
	for shift := 0; shift < 56; shift += 7 {
		each, err := r.ReadByte()
		if err == io.EOF {
			return 0, errCut
		}
		if err != nil {
			return 0, err
		}
		size |= int64(each&0x7f) << shift
		if size > numberLimit {
			return 0, errTooLarge
		}
		if each < 0x80 {
			return size, nil
		}
	}
	return 0, errTooLarge
}

// readPath takes paths from the tree's root, as absolute ones too; whatever leaves the tree is refused.
func readPath(r io.Reader, size int64) (string, error) {
	if size == 0 || size > pathLimit {
		return "", fmt.Errorf("it has a path of %d bytes", size)
	}
	name := make([]byte, size)
	if _, err := io.ReadFull(r, name); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return "", errCut
		}
		return "", err
	}
	path, ok := CleanPath(string(name))
	if !ok {
		return "", fmt.Errorf("it reads from the path %.200q", name)
	}
	return path, nil
}

// CleanPath joins the parts of a path with one slash between them; false for one that leaves the tree or is none.
func CleanPath(path string) (string, bool) {
	if strings.IndexByte(path, 0) >= 0 {
		return "", false
	}
	parts := strings.Split(path, "/")
	kept := parts[:0]
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			return "", false
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), len(kept) > 0
}

// scanner follows the operations without any file.
type scanner struct {
	limit    int64
	use      func(path string, end int64) error
	path     string
	position int64
	end      int64
}

// leave reports the file that is open.
func (s *scanner) leave() error {
	if s.path == "" {
		return nil
	}
	return s.use(s.path, s.end)
}

func (s *scanner) put(size int64) error {
	if size > s.limit {
		return errors.New("it becomes larger than the bundle says")
	}
	s.limit -= size
	return nil
}

func (s *scanner) read(size int64) error {
	if size == 0 {
		return nil
	}
	if s.path == "" {
		return errNoSource
	}
	s.position += size
	s.end = max(s.end, s.position)
	if s.end > numberLimit {
		return errTooLarge
	}
	return s.put(size)
}

func (s *scanner) data(r io.Reader, size int64) error {
	if err := s.put(size); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *scanner) add(r io.Reader, size int64) error {
	if err := s.read(size); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, r)
	return err
}

func (s *scanner) open(path string) error {
	if err := s.leave(); err != nil {
		return err
	}
	s.path, s.position, s.end = path, 0, 0
	return nil
}

func (s *scanner) copy(size int64) error { return s.read(size) }

func (s *scanner) seek(position int64) error {
	if s.path == "" {
		return errNoSource
	}
	s.position = position
	return nil
}

var errNoSource = errors.New("it reads before it opens a file")

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
