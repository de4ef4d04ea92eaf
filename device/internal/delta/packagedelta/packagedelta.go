// Package packagedelta reads deltas of Debian packages, which are made from what an older version of them has installed
// (docs/package-delta-format.md).
package packagedelta

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/delta/block"
	"imgbuild/device/internal/delta/layerdelta"
)

// MediaType in a bundle.
const MediaType = "application/vnd.imgbuild.package-delta.v1"

const (
	magic     = "ibp1"
	fileLimit = 1 << 17
	pathLimit = 1024
	// tarLimit and timeLimit: an ar header has ten digits, a tar header eleven octal ones.
	tarLimit   = 9_999_999_999
	octalLimit = 1<<33 - 1
	sumSize    = 8
)

// Delta whose head has been read.
type Delta struct {
	// Files of the old version, in the order in which they are read.
	Files []File
	// Sources are the bytes of the tar of these files that are read from.
	Sources *layerdelta.Sources

	in                             *bufio.Reader
	control, data                  int64
	sources, controlPart, dataPart int64
}

// File that an old version has installed.
type File struct {
	// Path below the root; DEBIAN/NAME for what dpkg keeps of its control archive.
	Path       string
	Size       int64
	mode, time int64
	sum        [sumSize]byte
}

// Read the head of a delta; Rebuild reads the rest.
func Read(r io.Reader) (*Delta, error) {
	d := &Delta{in: bufio.NewReaderSize(r, 64<<10)}
	var first [len(magic)]byte
	if _, err := io.ReadFull(d.in, first[:]); err != nil {
		return nil, block.Cut(err)
	}
	if string(first[:]) != magic {
		return nil, errors.New("it is no delta of a package, or of a version that cannot be read")
	}
	if err := d.readHead(); err != nil {
		return nil, err
	}
	var err error
	d.Sources, err = layerdelta.ReadSources(io.LimitReader(d.in, d.sources))
	return d, err
}

func (d *Delta) readHead() error {
	blocks, err := block.NewReader(d.in, block.MaxSize)
	if err != nil {
		return err
	}
	defer blocks.Close()
	var streams [3]block.Stream
	if err := blocks.Streams(streams[:]); err != nil {
		return err
	}
	numbers, paths, sums := &streams[0], &streams[1], &streams[2]
	var count int64
	for _, into := range []*int64{&d.control, &d.data, &d.sources, &d.controlPart, &d.dataPart, &count} {
		if *into, err = numbers.Uvarint(); err != nil {
			return err
		}
	}
	if d.control > tarLimit || d.data > tarLimit || count > fileLimit {
		return errors.New("it is larger than every package")
	}
	// Each has its sum: what is not there is not made room for.
	d.Files = make([]File, 0, min(count, int64(len(sums.Rest())/sumSize)))
	for range count {
		file, err := takeFile(numbers, paths, sums)
		if err != nil {
			return err
		}
		d.Files = append(d.Files, file)
	}
	if !numbers.Ended() || !paths.Ended() || !sums.Ended() {
		return block.ErrLeft
	}
	return nil
}

func takeFile(numbers, paths, sums *block.Stream) (file File, err error) {
	var length int64
	for _, into := range []*int64{&length, &file.Size, &file.mode, &file.time} {
		if *into, err = numbers.Uvarint(); err != nil {
			return file, err
		}
	}
	if length > pathLimit || file.Size > octalLimit || file.time > octalLimit || file.mode > 0o7777 {
		return file, errors.New("it reads from a file that none is")
	}
	path, err := paths.Take(int(length))
	if err != nil {
		return file, err
	}
	file.Path = string(path)
	if !isInside(file.Path) {
		return file, fmt.Errorf("it reads from the path %.200q", file.Path)
	}
	sum, err := sums.Take(sumSize)
	copy(file.sum[:], sum)
	return file, err
}

// isInside tells whether a path is as it is written here, and below the root. Names need not be UTF-8.
func isInside(path string) bool {
	for at, start := 0, 0; at <= len(path); at++ {
		switch {
		case at < len(path) && path[at] == 0:
			return false
		case at == len(path) || path[at] == '/':
			if part := path[start:at]; part == "" || part == "." || part == ".." {
				return false
			}
			start = at + 1
		}
	}
	return true
}

// Size of the package that comes out.
func (d *Delta) Size() int64 {
	return int64(len(head(d.control))+len(between(d.control, d.data))) + d.control + d.data + d.data%2
}

// Rebuild writes the package, with nothing compressed, out of the delta and what its sources name, and forgets Files. memory is
// what is granted.
// Whether it is the right one is for its digest to tell.
func (d *Delta) Rebuild(w io.Writer, old delta.File, memory int64) error {
	tar := func(size, part int64) error {
		counted := &countingWriter{w: w}
		if err := layerdelta.Rebuild(counted, io.LimitReader(d.in, part), old, d.Sources, memory); err != nil {
			return err
		}
		if counted.written != size {
			return fmt.Errorf("a tar comes out with %d bytes, not %d", counted.written, size)
		}
		return nil
	}
	d.Files = nil // their list would be in memory beside what the deltas declare
	if _, err := w.Write(head(d.control)); err != nil {
		return err
	}
	if err := tar(d.control, d.controlPart); err != nil {
		return err
	}
	if _, err := w.Write(between(d.control, d.data)); err != nil {
		return err
	}
	if err := tar(d.data, d.dataPart); err != nil {
		return err
	}
	if _, err := w.Write(padding(d.data)); err != nil {
		return err
	}
	return d.end()
}

// end of a delta.
func (d *Delta) end() error {
	switch _, err := d.in.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("something follows it")
	default:
		return err
	}
}

// Scan reads the rest of a delta without any old file. memory is what is granted.
func (d *Delta) Scan(memory int64) error {
	for _, each := range []struct{ size, part int64 }{{d.control, d.controlPart}, {d.data, d.dataPart}} {
		if err := layerdelta.Scan(io.LimitReader(d.in, each.part), d.Sources, memory, each.size); err != nil {
			return err
		}
	}
	return d.end()
}

type countingWriter struct {
	w       io.Writer
	written int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.written += int64(n)
	return n, err
}

// What is around the two tars (deb(5)).

func member(name string, size int64) []byte {
	return fmt.Appendf(nil, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, 0, 0, 0, "100644", size)
}

func head(control int64) []byte {
	text := append([]byte("!<arch>\n"), member("debian-binary", 4)...)
	return append(append(text, "2.0\n"...), member("control.tar", control)...)
}

func between(control, data int64) []byte {
	return append(padding(control), member("data.tar", data)...)
}

func padding(size int64) []byte {
	if size%2 == 1 {
		return []byte("\n")
	}
	return nil
}

// AlteredError is that of a file that is another one than the delta was made for.
type AlteredError struct {
	Path string
	// Because it is missing, or has other bytes.
	Because string
}

func (a *AlteredError) Error() string { return fmt.Sprintf("%.200q %s", a.Path, a.Because) }

// missing tells that an error is about what is not there, or is no file.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) }
