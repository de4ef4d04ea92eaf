// Package delta names what a coding of filesystem layers offers to those who rebuild them, whatever the coding is.
package delta

import (
	"fmt"
	"io"

	"imgbuild/device/internal/memory"
)

// A File of the old image.
type File interface {
	io.ReaderAt
	Size() int64
}

// Files are those of the old image by path: slashes between the parts, none before the first.
type Files interface {
	// Open fails for a path that the old image lacks.
	Open(path string) (File, error)
}

// A Codec reads one coding. Both methods read the delta to its end, in memory that the budget bounds; what they read is
// not trusted: a delta is refused once it says what it must not say.
type Codec interface {
	// Scan reports each old file that the delta reads from, with the furthest byte that it reads of it, without
	// reading any. A file may be reported more than once. Deltas of more than limit bytes of output are refused.
	Scan(r io.Reader, limit int64, use func(path string, end int64) error) error
	// Rebuild writes the new filesystem layer.
	Rebuild(w io.Writer, r io.Reader, old Files) error
}

// Codecs by the media type that a bundle gives their deltas.
type Codecs map[string]func(memory.Budget) Codec

// For finds the codec of a media type.
func (c Codecs) For(mediaType string, budget memory.Budget) (Codec, bool) {
	make, ok := c[mediaType]
	if !ok {
		return nil, false
	}
	return make(budget), true
}

// LimitedWriter fails instead of writing more than Left bytes, and counts down.
type LimitedWriter struct {
	W    io.Writer
	Left int64
}

func (l *LimitedWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > l.Left {
		return 0, fmt.Errorf("it becomes larger than the bundle says")
	}
	n, err := l.W.Write(p)
	l.Left -= int64(n)
	return n, err
}
