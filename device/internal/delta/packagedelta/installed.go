package packagedelta

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
)

const blockSize = 512

// WriteInstalled writes what the sources are ranges of: a tar of the files that the old version has installed, whose headers
// are as in its package. open gives the contents of each, and is asked in their order; it fails with fs.ErrNotExist, or
// fs.ErrInvalid for what is no file. What is another one than it was is an *AlteredError.
func (d *Delta) WriteInstalled(w io.Writer, open func(path string) (io.ReadCloser, error)) error {
	for at := range d.Files {
		file := &d.Files[at]
		contents, err := open(file.Path)
		if missing(err) {
			return &AlteredError{file.Path, "is missing"}
		}
		if err != nil {
			return err
		}
		err = file.write(w, contents)
		contents.Close()
		if err != nil {
			return err
		}
	}
	_, err := w.Write(make([]byte, 2*blockSize))
	return err
}

func (f *File) write(w io.Writer, contents io.Reader) error {
	if _, err := w.Write(f.header()); err != nil {
		return err
	}
	hash := sha256.New()
	// One byte more than it may have shows that it has grown.
	size, err := io.Copy(io.MultiWriter(w, hash), io.LimitReader(contents, f.Size))
	if err != nil {
		return err
	}
	if more, _ := io.ReadFull(contents, make([]byte, 1)); size < f.Size || more > 0 || !bytes.Equal(hash.Sum(nil)[:sumSize], f.sum[:]) {
		return &AlteredError{f.Path, "was altered"}
	}
	_, err = w.Write(make([]byte, -f.Size&(blockSize-1)))
	return err
}

// header as GNU tar's format has it: a long name has an entry of its own in front.
func (f *File) header() []byte {
	name := "./" + f.Path
	if len(name) <= 100 {
		return entry(name, '0', f.mode, f.Size, f.time)
	}
	size := int64(len(name) + 1)
	long := append(entry("././@LongLink", 'L', 0o644, size, 0), name...)
	long = append(long, make([]byte, 1+(-size&(blockSize-1)))...)
	return append(long, entry(name[:100], '0', f.mode, f.Size, f.time)...)
}

// entry is one header block of root's.
func entry(name string, kind byte, mode, size, time int64) []byte {
	header := make([]byte, blockSize)
	copy(header, name)
	copy(header[100:], fmt.Sprintf("%07o\x00%07o\x00%07o\x00%011o\x00%011o\x00        ", mode, 0, 0, size, time))
	header[156] = kind
	copy(header[257:], "ustar  \x00root")
	copy(header[297:], "root")
	sum := 0
	for _, each := range header {
		sum += int(each)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	return header
}
