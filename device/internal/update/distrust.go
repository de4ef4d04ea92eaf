package update

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"path"
	"strings"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/source"
)

/*
A power cut during a load leaves what neither Docker nor containerd notices: filesystem layers that count as unpacked,
with files that are empty, since their bytes had not come to the disk. The next load of the same filesystem layers takes
them as they are. So the state folder says since when something is not synced; where that was before the last start of
the machine, what is loaded has to show its bytes.
*/

// errDamaged is the error of an image whose files are not what its filesystem layers hold.
var errDamaged = errors.New("files of it are not what they should be")

// proveBytes reads every file of a loaded image from where containers get it.
func (a *application) proveBytes(ctx context.Context, id string) error {
	image, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if image == nil {
		return errDamaged
	}
	a.Log("a power cut came while images were loaded: reading all of %s", short(id))
	expected := newTree(a.Budget.Sources())
	found, err := a.read(ctx, image, expected, nil, a.folder.Path)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	found.close()
	if a.info.Store != engine.Containerd {
		return nil // that was read from the very files that containers get
	}
	exported, err := a.Engine.Export(ctx, id)
	if err != nil {
		return err
	}
	defer exported.Close()
	return expected.compare(exported)
}

// loadTrusted is load, and again where what came out was there before, damaged.
func (a *application) loadTrusted(ctx context.Context, load func() (string, error)) (string, error) {
	for again := false; ; again = true {
		id, err := load()
		if err == nil && a.distrust {
			err = a.proveBytes(ctx, id)
		}
		if !errors.Is(err, errDamaged) {
			return id, err
		}
		a.Log("%s; removing it", err)
		if removed := a.Engine.Remove(ctx, id); removed != nil {
			return "", removed
		}
		if again {
			return "", failure.Operation("loading the new image",
				"Docker keeps filesystem layers that a power cut has damaged, and does not unpack them anew",
				"remove what is not needed with `docker system prune`, restart Docker, and apply the bundle again")
		}
	}
}

// tree is what the regular files of an image hold, as far as there is room for it: hashes with a key of this process.
type tree struct {
	limit   int
	seed    maphash.Seed
	files   map[uint64]content
	pending []content
}

type content struct {
	path    uint64
	sum     uint64
	layer   int32
	regular bool
}

func newTree(limit int) *tree {
	return &tree{limit: limit, seed: maphash.MakeSeed(), files: map[uint64]content{}}
}

// layerVisitor reads the tars of filesystem layers, and is told afterwards which one it was.
type layerVisitor interface {
	// Add is told the name that the tar has in the engine's archive.
	Add(name string, r io.Reader) error
	Commit(layer int, id oci.Digest) error
}

func (t *tree) Add(_ string, r io.Reader) error {
	t.pending = t.pending[:0]
	return source.EachEntry(r, func(name string, header *tar.Header, contents io.Reader) (err error) {
		if strings.HasPrefix(path.Base(name), ".wh.") || len(t.files)+len(t.pending) >= t.limit {
			return nil
		}
		each := content{path: maphash.String(t.seed, name), regular: header.Typeflag == tar.TypeReg}
		if each.sum, err = t.sum(contents); err != nil {
			return err
		}
		t.pending = append(t.pending, each)
		return nil
	})
}

func (t *tree) sum(r io.Reader) (uint64, error) {
	var hash maphash.Hash
	hash.SetSeed(t.seed)
	_, err := io.Copy(&hash, r)
	return hash.Sum64(), err
}

func (t *tree) Commit(layer int, _ oci.Digest) error {
	for _, each := range t.pending {
		each.layer = int32(layer)
		if known, ok := t.files[each.path]; !ok || known.layer <= each.layer {
			t.files[each.path] = each
		}
	}
	t.pending = t.pending[:0]
	return nil
}

// made by Docker itself in every container.
var made = map[string]bool{".dockerenv": true, "dev/console": true, "etc/hostname": true, "etc/hosts": true,
	"etc/mtab": true, "etc/resolv.conf": true}

// compare goes through the tar of a container's tree.
func (t *tree) compare(exported io.Reader) error {
	return source.EachEntry(exported, func(name string, header *tar.Header, contents io.Reader) error {
		if header.Typeflag != tar.TypeReg || made[name] {
			return nil
		}
		expected, ok := t.files[maphash.String(t.seed, name)]
		if !ok || !expected.regular {
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
}
