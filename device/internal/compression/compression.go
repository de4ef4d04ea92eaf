// Package compression undoes what filesystem layers are compressed with, in bounded memory.
package compression

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"imgbuild/device/internal/memory"
)

const bufferSize = 64 * 1024

// Zstd unpacks zstd frames (RFC 8878), one after the other. A frame that asks for more history than the budget grants
// is refused with the figure. Close frees the memory.
func Zstd(r io.Reader, budget memory.Budget) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, bufferSize)
	if err := checkWindow(buffered, budget); err != nil {
		return nil, err
	}
	decoder, err := zstd.NewReader(buffered,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(budget.Window()))
	if err != nil {
		return nil, unpacking(err)
	}
	return &reader{decoder.IOReadCloser()}, nil
}

// Undo unpacks gzip or zstd, told by the first bytes; anything else passes as it is.
func Undo(r io.Reader, budget memory.Budget) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, bufferSize)
	head, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b:
		decoder, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, unpacking(err)
		}
		return &reader{decoder}, nil
	case isZstd(head):
		return Zstd(buffered, budget)
	default:
		return io.NopCloser(buffered), nil
	}
}

// isZstd knows a zstd frame, or a skippable one in front of it.
func isZstd(head []byte) bool {
	return bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) == 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:], []byte{0x2a, 0x4d, 0x18})
}

// checkWindow tells the figure, which the decoder's own error lacks. It looks at the first frame; the decoder refuses others.
func checkWindow(r *bufio.Reader, budget memory.Budget) error {
	head, err := r.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return err
	}
	var header zstd.Header
	if header.Decode(head) != nil || header.Skippable {
		return nil
	}
	window := header.WindowSize
	if header.SingleSegment {
		window = header.FrameContentSize
	}
	if window > budget.Window() {
		return tooMuch(window, budget)
	}
	return nil
}

func tooMuch(window uint64, budget memory.Budget) error {
	const mebi = 1 << 20
	return fmt.Errorf("it asks for %d MiB of history, and %d MiB are granted: `--memory %d` grants that",
		(window+mebi-1)/mebi, budget.Window()/mebi, (window+mebi-1)/mebi*8)
}

// reader names the decoder in its errors; those of the source pass as they are.
type reader struct{ io.ReadCloser }

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = unpacking(err)
	}
	return n, err
}

func unpacking(err error) error {
	switch {
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		return errors.New("it asks for more history than is granted")
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("it is cut off")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum),
		errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, zstd.ErrCRCMismatch):
		return fmt.Errorf("it cannot be unpacked: %w", err)
	}
	return err
}
