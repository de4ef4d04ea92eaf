package source

import (
	"archive/tar"
	"bufio"
	"io"

	"imgbuild/device/internal/tardiff"
)

// EachEntry visits what the tar of a filesystem layer has, by its path in the tree; entries outside of the tree are left out.
// It reads to the end of r: what follows the archive belongs to the digest.
func EachEntry(r io.Reader, visit func(path string, header *tar.Header, contents io.Reader) error) error {
	buffered := bufio.NewReaderSize(r, 256<<10)
	archive := tar.NewReader(buffered)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			_, err = io.Copy(io.Discard, buffered)
			return err
		}
		if err != nil {
			return err
		}
		path, ok := tardiff.CleanPath(header.Name)
		if !ok {
			continue
		}
		if err := visit(path, header, archive); err != nil {
			return err
		}
	}
}
