// Package tarsplit puts the tars of filesystem layers together again, as Docker's classic store does it: of a list that has
// everything but what files hold (github.com/vbatts/tar-split), and of a folder that has the files.
package tarsplit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// kind of an entry of the list.
type kind int

const (
	file    kind = 1
	segment kind = 2
)

type entry struct {
	Type kind `json:"type"`
	// Name is that in the tar; RawName is there where that is no UTF-8.
	Name    string `json:"name"`
	RawName []byte `json:"name_raw"`
	// Size of a file.
	Size int64 `json:"size"`
	// Payload of a segment are its bytes, of a file a sum.
	Payload []byte `json:"payload"`
}

// Reader of a tar. What it gives is not proven: the folder may hold anything.
type Reader struct {
	list   *json.Decoder
	folder *os.Root
	// current is what is read now: a segment, or a file.
	current io.Reader
	file    *os.File
	// left of the file; name of it.
	left int64
	name string
}

// NewReader reads a list, uncompressed, and the files that it names below a folder.
func NewReader(list io.Reader, folder *os.Root) *Reader {
	return &Reader{list: json.NewDecoder(list), folder: folder, current: bytes.NewReader(nil)}
}

// Close ends reading.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	file := r.file
	r.file = nil
	return file.Close()
}

func (r *Reader) Read(p []byte) (int, error) {
	for {
		n, err := r.current.Read(p)
		r.left -= int64(n)
		if n > 0 || err != io.EOF {
			return n, err
		}
		if r.file != nil && r.left > 0 {
			return 0, fmt.Errorf("the file %.200q has %d bytes less than it had", r.name, r.left)
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
}

// next entry that has bytes; io.EOF at the end of the list.
func (r *Reader) next() error {
	if err := r.Close(); err != nil {
		return err
	}
	var next entry
	if err := r.list.Decode(&next); err != nil {
		return err
	}
	switch {
	case next.Type == segment:
		r.current = bytes.NewReader(next.Payload)
	case next.Type != file:
		return fmt.Errorf("it has an entry of the type %d", next.Type)
	case next.Size > 0:
		return r.open(next)
	}
	return nil
}

func (r *Reader) open(next entry) error {
	r.name, r.left = next.Name, next.Size
	if len(next.RawName) > 0 {
		r.name = string(next.RawName)
	}
	name := strings.TrimLeft(r.name, "/")
	info, err := r.folder.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%.200q is no regular file", r.name)
	}
	if info.Size() != next.Size {
		return fmt.Errorf("the file %.200q has not the %d bytes that it had", r.name, next.Size)
	}
	// Whatever has come into its place meanwhile is not waited for.
	if r.file, err = r.folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return err
	}
	r.current = io.LimitReader(r.file, next.Size)
	return nil
}
