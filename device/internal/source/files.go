// Package source gathers the files of an old image that deltas read from, out of its filesystem layers' tars.
package source

import (
	"archive/tar"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"os"
	"strings"

	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/tardiff"
)

// Files are those that were asked for, as far as they are read, in one temporary file. Filesystem layers may come in any
// order, since an engine's archive has its own: of several files with one path, that of the highest one counts.
//
// Paths are kept as 64-bit hashes with a key of this process: two that fall together give a filesystem layer whose digest
// is wrong, never a wrong image.
type Files struct {
	limit int
	seed  maphash.Seed
	// index finds a wanted path by its hash.
	index  map[uint64]int32
	wanted []wanted
	found  []entry
	// pending are those of the filesystem layer that is being read.
	pending []entry
	file    *os.File
	end     int64
}

type wanted struct {
	// path as its hash.
	path uint64
	// reads is how many bytes of the file are read at most.
	reads int64
	// first is the head of the list of entries, -1 for none.
	first int32
}

// entry is a wanted path in one filesystem layer: a file in the spool, or a hard link to what target is there.
type entry struct {
	path  int32
	next  int32
	layer int32
	link  bool
	// start and size of a file; of a link, start is the hash of its target.
	start uint64
	size  int64
}

// linkLimit: a chain of hard links that is longer leads in a circle.
const linkLimit = 64

// NewFiles makes an empty set, of at most as many paths as the budget grants.
func NewFiles(budget memory.Budget) *Files {
	return &Files{limit: budget.Sources(), seed: maphash.MakeSeed(), index: map[uint64]int32{}}
}

// Want asks for a path up to its byte end.
func (f *Files) Want(path string, end int64) error { return f.want(f.hash(path), end) }

func (f *Files) hash(path string) uint64 { return maphash.String(f.seed, path) }

func (f *Files) want(path uint64, end int64) error {
	if at, ok := f.index[path]; ok {
		f.wanted[at].reads = max(f.wanted[at].reads, end)
		return nil
	}
	if len(f.wanted) == f.limit {
		return fmt.Errorf("it reads from more than %d files, which is what the memory granted is enough for: `--memory %d`",
			f.limit, int64(f.limit)*256/(1<<20)*2)
	}
	f.index[path] = int32(len(f.wanted))
	f.wanted = append(f.wanted, wanted{path, end, -1})
	return nil
}

// Len is the number of paths asked for.
func (f *Files) Len() int { return len(f.wanted) }

// Bytes is how much of the disk the files take at most, for each time that a path appears.
func (f *Files) Bytes() int64 {
	var sum int64
	for _, each := range f.wanted {
		if sum += each.reads; sum < 0 {
			return math.MaxInt64
		}
	}
	return sum
}

// Spool says where files are to be put: in a file without a name in folder.
func (f *Files) Spool(folder string) error {
	file, err := temporaryFile(folder)
	f.file = file
	return err
}

// temporaryFile has no name: it is gone with the process.
func temporaryFile(folder string) (*os.File, error) {
	file, err := os.CreateTemp(folder, ".sources-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

// Close frees the disk.
func (f *Files) Close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// Add reads the tar of one filesystem layer to its end. What it gave counts once Commit says which one it was.
func (f *Files) Add(r io.Reader) error {
	f.pending = f.pending[:0]
	if len(f.wanted) == 0 {
		// Somebody listens, who should not be called for every 8 KiB.
		_, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 256<<10))
		return err
	}
	return EachEntry(r, f.addEntry)
}

func (f *Files) addEntry(path string, header *tar.Header, contents io.Reader) error {
	at, ok := f.index[f.hash(path)]
	if !ok {
		return nil
	}
	switch {
	case header.Typeflag == tar.TypeLink:
		if target, ok := tardiff.CleanPath(header.Linkname); ok {
			f.pending = append(f.pending, entry{path: at, link: true, start: f.hash(target)})
		}
	case (header.Typeflag == tar.TypeReg || header.Typeflag == tar.TypeCont) && !isSparse(header):
		size := min(header.Size, f.wanted[at].reads)
		copied, err := io.Copy(io.NewOffsetWriter(f.file, f.end), io.LimitReader(contents, size))
		if err != nil {
			return err
		}
		if copied < size {
			return io.ErrUnexpectedEOF
		}
		f.pending = append(f.pending, entry{path: at, start: uint64(f.end), size: size})
		f.end += size
	}
	return nil
}

// isSparse: the bytes of such a file are not those that stand in the archive.
func isSparse(header *tar.Header) bool {
	for key := range header.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// Commit says which filesystem layer was read last, 0 at the bottom.
func (f *Files) Commit(layer int) {
	for _, each := range f.pending {
		each.layer, each.next = int32(layer), f.wanted[each.path].first
		f.wanted[each.path].first = int32(len(f.found))
		f.found = append(f.found, each)
	}
	f.pending = f.pending[:0]
}

// WantLinkTargets asks for what wanted hard links link to, which takes another reading of all filesystem layers. It tells
// whether there was anything to ask for.
func (f *Files) WantLinkTargets() (bool, error) {
	more := false
	for at := range f.wanted {
		path, reads := f.wanted[at].path, f.wanted[at].reads
		_, target := f.resolve(path)
		if known, ok := f.index[target]; target == path || ok && f.wanted[known].reads >= reads {
			continue
		}
		more = true
		if err := f.want(target, reads); err != nil {
			return false, err
		}
	}
	return more, nil
}

// Again forgets what was found, for another reading.
func (f *Files) Again() {
	f.found, f.end = f.found[:0], 0
	for at := range f.wanted {
		f.wanted[at].first = -1
	}
}

// resolve follows hard links: to the file that a path is, or to the path at which what is known ends. A link means what
// its target was in its own filesystem layer or below, whatever a higher one made of it.
func (f *Files) resolve(path uint64) (*entry, uint64) {
	highest := int32(math.MaxInt32)
	for range linkLimit {
		at, ok := f.index[path]
		if !ok {
			return nil, path
		}
		var best *entry
		for next := f.wanted[at].first; next >= 0; next = f.found[next].next {
			each := &f.found[next]
			if each.layer <= highest && (best == nil || each.layer > best.layer) {
				best = each
			}
		}
		if best == nil || !best.link {
			return best, path
		}
		path, highest = best.start, best.layer
	}
	return nil, path
}

var errNoFile = errors.New("the source image has no such file")

// Open finds a file that was asked for.
func (f *Files) Open(path string) (delta.File, error) {
	found, _ := f.resolve(f.hash(path))
	if found == nil {
		return nil, fmt.Errorf("%.200q: %w", path, errNoFile)
	}
	return io.NewSectionReader(f.file, int64(found.start), found.size), nil
}
