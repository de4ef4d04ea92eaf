package dpkg

import (
	"archive/tar"
	"context"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
)

// What is in front of the parts of a .deb (deb(5)), in bytes.
const (
	arMagic      = "!<arch>\n"
	memberHeader = 60
	// firstPart follows debian-binary, which is four bytes long.
	firstPart = int64(len(arMagic) + memberHeader + 4)
)

// plainTar is one of the two archives of a .deb in which nothing is compressed (docs/package-delta-format.md), which takes no
// dpkg-deb; nil where it is another file.
func plainTar(file io.ReaderAt, control bool) *io.SectionReader {
	parts := []string{"control.tar", "data.tar"}
	start := firstPart
	for _, name := range parts {
		size := plainPart(file, start, name)
		if size < 0 {
			return nil
		}
		start += memberHeader
		if control == (name == parts[0]) {
			return io.NewSectionReader(file, start, size)
		}
		start += size + size%2
	}
	return nil
}

// plainPart is the size of a part whose header is there, -1 where that is another one.
func plainPart(file io.ReaderAt, start int64, name string) int64 {
	first, header := make([]byte, len(arMagic)), make([]byte, memberHeader)
	if _, err := file.ReadAt(first, 0); err != nil || string(first) != arMagic {
		return -1
	}
	if _, err := file.ReadAt(header, start); err != nil || strings.TrimRight(string(header[:16]), " /") != name {
		return -1
	}
	size, err := strconv.ParseInt(strings.TrimRight(string(header[48:58]), " "), 10, 64)
	if err != nil || size < 0 || size > sizeLimit {
		return -1
	}
	return size
}

// controlLimit of a control file that is read here, in bytes.
const controlLimit = 1 << 20

// Identify a .deb by its control file, as Open, and without dpkg-deb where nothing in it is compressed.
func (s System) Identify(ctx context.Context, name string) (*Archive, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if plain := plainTar(file, true); plain != nil {
		if control, ok := controlOf(plain); ok {
			return described(name, control), nil
		}
	}
	return s.Open(ctx, name)
}

func controlOf(archive io.Reader) (string, bool) {
	members := tar.NewReader(archive)
	for {
		header, err := members.Next()
		if err != nil {
			return "", false // dpkg-deb says what is wrong
		}
		if path.Clean(header.Name) == "control" && header.Typeflag == tar.TypeReg {
			text, err := io.ReadAll(io.LimitReader(members, controlLimit))
			return string(text), err == nil
		}
	}
}
