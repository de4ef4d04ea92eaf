package update

import (
	"archive/tar"
	"fmt"
	"hash/maphash"
	"io"
	"path"
	"strings"

	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/source"
)

// layerVisitor reads the tars of filesystem layers, and is told afterwards which one it was.
type layerVisitor interface {
	// Add is told the name that the tar has in the engine's archive.
	Add(name string, r io.Reader) error
	Commit(layer int, id oci.Digest) error
}

// expectedTree is what containers of an image should find, by what its filesystem layers hold, as far as there is room for it.
// Names and contents are hashes with a key of this process.
type expectedTree struct {
	limit   int
	seed    maphash.Seed
	entries map[uint64]expectedEntry
	// hidden are paths of which whiteouts hide what lower filesystem layers have.
	hidden map[uint64]hidden
	// folders of paths that were met, by the path of each.
	folders map[uint64]uint64
	pending []pendingEntry
	// full: not everything is in it.
	full bool
}

type expectedEntry struct {
	// sum of the contents, for a regular file.
	sum   uint64
	layer int32
	kind  byte
	found bool
}

// hidden is below which filesystem layer a path is hidden, or what is in it; 0 is none.
type hidden struct{ self, inside int32 }

type pendingEntry struct {
	path uint64
	// whiteout of the path itself (OCI image spec, layer.md), or an opaque one of what is in it.
	whiteout, opaque bool
	expectedEntry
}

func newExpectedTree(limit int) *expectedTree {
	return &expectedTree{limit: limit, seed: maphash.MakeSeed(), entries: map[uint64]expectedEntry{}, hidden: map[uint64]hidden{},
		folders: map[uint64]uint64{}}
}

// Add reads the tar of a filesystem layer.
func (t *expectedTree) Add(_ string, r io.Reader) error {
	t.pending = t.pending[:0]
	return source.EachEntry(r, func(name string, header *tar.Header, contents io.Reader) (err error) {
		if len(t.entries)+len(t.hidden)+len(t.folders)+len(t.pending) >= t.limit {
			t.full = true
			return nil
		}
		folder, base := path.Split(name)
		each := pendingEntry{expectedEntry: expectedEntry{kind: header.Typeflag}}
		if base == ".wh..wh..opq" {
			name, each.opaque = folder, true
		} else if hides, ok := strings.CutPrefix(base, ".wh."); ok {
			name, each.whiteout = folder+hides, true
		} else if header.Typeflag == tar.TypeReg {
			if each.sum, err = t.sum(contents); err != nil {
				return err
			}
		}
		each.path = t.remember(name)
		t.pending = append(t.pending, each)
		return nil
	})
}

// Commit what was added as that of a filesystem layer, counted from 0.
func (t *expectedTree) Commit(layer int, _ oci.Digest) error {
	for _, each := range t.pending {
		if each.whiteout || each.opaque {
			known := t.hidden[each.path]
			if each.whiteout {
				known.self = max(known.self, int32(layer))
			} else {
				known.inside = max(known.inside, int32(layer))
			}
			t.hidden[each.path] = known
			continue
		}
		each.layer = int32(layer)
		if known, ok := t.entries[each.path]; !ok || known.layer <= each.layer {
			t.entries[each.path] = each.expectedEntry
		}
	}
	t.pending = t.pending[:0]
	return nil
}

// remember a path and the folders above it.
func (t *expectedTree) remember(name string) uint64 {
	name = strings.TrimSuffix(name, "/")
	key := maphash.String(t.seed, name)
	for at := key; name != ""; {
		if _, known := t.folders[at]; known {
			break
		}
		name = strings.TrimSuffix(name[:strings.LastIndexByte(name, '/')+1], "/")
		above := maphash.String(t.seed, name)
		t.folders[at] = above
		at = above
	}
	return key
}

func (t *expectedTree) sum(r io.Reader) (uint64, error) {
	var hash maphash.Hash
	hash.SetSeed(t.seed)
	_, err := io.Copy(&hash, r)
	return hash.Sum64(), err
}

// made by Docker itself in every container.
var made = map[string]bool{".dockerenv": true, "dev/console": true, "etc/hostname": true, "etc/hosts": true,
	"etc/mtab": true, "etc/resolv.conf": true}

// compare goes through the tar of a container's tree. What differs, or is missing, is errDamaged.
func (t *expectedTree) compare(exported io.Reader) error {
	for name := range made {
		delete(t.entries, maphash.String(t.seed, name))
	}
	err := source.EachEntry(exported, func(name string, header *tar.Header, contents io.Reader) error {
		key := maphash.String(t.seed, strings.TrimSuffix(name, "/"))
		expected, ok := t.entries[key]
		if !ok {
			return nil
		}
		expected.found = true
		t.entries[key] = expected
		if header.Typeflag != tar.TypeReg || expected.kind != tar.TypeReg {
			return nil
		}
		sum, err := t.sum(contents)
		if err != nil {
			return err
		}
		if sum != expected.sum {
			return fmt.Errorf("%w: %.200q", errDamaged, name)
		}
		return nil
	})
	if err != nil || t.full {
		return err
	}
	missing := 0
	for key, each := range t.entries {
		if !each.found && each.kind == tar.TypeReg && !t.covered(key, each.layer) {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%w: %s missing", errDamaged, plural(missing, "file"))
	}
	return nil
}

// covered: a higher filesystem layer hides a path of this one, or a folder that it is in.
func (t *expectedTree) covered(key uint64, layer int32) bool {
	if t.hidden[key].self > layer {
		return true
	}
	for {
		above, known := t.folders[key]
		if !known {
			return false
		}
		hidden := t.hidden[above]
		other, ok := t.entries[above]
		if hidden.self > layer || hidden.inside > layer || ok && other.layer > layer && other.kind != tar.TypeDir {
			return true
		}
		key = above
	}
}
