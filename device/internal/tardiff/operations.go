package tardiff

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

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
	// A stream has this many bytes for each one that it puts out, at most: a tar header of 512 bytes comes with an
	// operation or two and a path. One that has more only wastes time.
	overhead     = 16
	overheadFree = 1 << 20
)

// visitor is told what the operations do. The contents of data and add must be read from r to their end.
type visitor interface {
	data(r io.Reader, size int64) error
	open(path string) error
	copy(size int64) error
	add(r io.Reader, size int64) error
	seek(position int64) error
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
	errNoSource = errors.New("it reads before it opens a file")
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
