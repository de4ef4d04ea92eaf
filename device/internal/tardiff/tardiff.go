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

const bufferSize = 256 * 1024

// New makes a codec that takes no more memory than the budget's window and a few buffers.
func New(budget memory.Budget) delta.Codec { return codec{budget} }

type codec struct{ budget memory.Budget }

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
