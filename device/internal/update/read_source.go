package update

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"imgbuild/device/internal/compression"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
)

// readImage is what was read of an image through the engine.
type readImage struct {
	// source is the engine's image that was read, or needn't be; nil for none.
	source *engine.Image
	// configs in the engine's archive that name the image's filesystem layers.
	configs map[oci.Digest]bool
	// descriptors by diffID: how the engine's store names its filesystem layers; none in stores that keep no blobs.
	descriptors map[oci.Digest]oci.Descriptor
	// tars are whole filesystem layers that were asked for, uncompressed, in files without names.
	tars map[oci.Digest]*os.File
}

func (r *readImage) close() {
	for _, file := range r.tars {
		file.Close()
	}
}

// documentLimit: manifests and configs are smaller; what is larger is some other document.
const documentLimit = 4 << 20

// read goes through an image once, as `docker save` gives it, and keeps what is wanted of it: files by path, and whole
// filesystem layers by diffID. Every filesystem layer is hashed. It fails unless all of the image's came, byte for byte.
func (u *Updater) read(ctx context.Context, image *engine.Image, files layerVisitor, tars map[oci.Digest]bool,
	temporary string) (*readImage, error) {
	stream, err := u.Engine.Save(ctx, image.ID)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	return u.readArchive(ctx, stream, image, fromDocker, files, tars, temporary)
}

// giver of an image's bytes, for messages.
type giver struct{ name, fix string }

var fromDocker = giver{"Docker", "load or pull the old release again, or load the new one as a whole"}

// readArchive is read of what somebody gives of an image in one of the forms of `docker save`, or as an OCI layout.
func (u *Updater) readArchive(ctx context.Context, stream io.Reader, image *engine.Image, from giver, files layerVisitor,
	tars map[oci.Digest]bool, temporary string) (found *readImage, err error) {
	reading := u.newReading(image, from, files, tars, temporary)
	defer func() {
		if err != nil {
			reading.found.close()
		}
	}()
	archive := tar.NewReader(stream)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, damaged(image, from, fmt.Sprintf("what %s gives of it breaks off: %s", from.name, err))
		}
		if header.Typeflag != tar.TypeReg || header.Size == 0 {
			continue
		}
		if err := reading.entry(header.Name, bufio.NewReaderSize(archive, 64<<10), header.Size); err != nil {
			return nil, err
		}
	}
	if err := reading.missing(); err != nil {
		return nil, err
	}
	reading.describe()
	return reading.found, nil
}

// reading of one image.
type reading struct {
	image     *engine.Image
	from      giver
	files     layerVisitor
	wanted    map[oci.Digest]bool
	temporary string
	budget    memory.Budget
	seen      map[oci.Digest]bool
	manifests []oci.Manifest
	found     *readImage
}

func (u *Updater) newReading(image *engine.Image, from giver, files layerVisitor, tars map[oci.Digest]bool,
	temporary string) *reading {
	return &reading{
		image: image, from: from, files: files, wanted: tars, temporary: temporary, budget: u.Budget,
		seen: map[oci.Digest]bool{},
		found: &readImage{configs: map[oci.Digest]bool{}, descriptors: map[oci.Digest]oci.Descriptor{},
			tars: map[oci.Digest]*os.File{}},
	}
}

// missing fails where a filesystem layer has not come.
func (r *reading) missing() error {
	for _, id := range r.image.DiffIDs {
		if !r.seen[id] {
			return damaged(r.image, r.from,
				fmt.Sprintf("%s does not give the filesystem layer %s as it was: it was altered", r.from.name, id))
		}
	}
	return nil
}

func (r *reading) entry(name string, contents *bufio.Reader, size int64) error {
	head, err := contents.Peek(int(min(size, 512)))
	if err != nil {
		return nil // the archive breaks off: its next entry tells
	}
	isTar := len(head) == 512 && string(head[257:262]) == "ustar"
	if !isTar && (head[0] == '{' || head[0] == '[') {
		return r.document(contents, size)
	}
	return r.layer(name, contents)
}

// document keeps manifests, and configs of the image.
func (r *reading) document(contents io.Reader, size int64) error {
	if size > documentLimit {
		return nil
	}
	bytes, err := io.ReadAll(contents)
	if err != nil {
		return nil
	}
	var config oci.Config
	if json.Unmarshal(bytes, &config) == nil && slices.Equal(config.RootFS.DiffIDs, r.image.DiffIDs) {
		r.found.configs[oci.DigestOf(bytes)] = true
		return nil
	}
	var manifest oci.Manifest
	if json.Unmarshal(bytes, &manifest) == nil && len(manifest.Layers) == len(r.image.DiffIDs) {
		r.manifests = append(r.manifests, manifest)
	}
	return nil
}

func (r *reading) layer(name string, contents io.Reader) (err error) {
	plain, err := compression.Undo(contents, r.budget)
	if err != nil {
		return nil // no filesystem layer, or a damaged one, which is missed at the end
	}
	defer plain.Close()
	hash := sha256.New()
	var into io.Writer = hash
	var file *os.File
	if len(r.wanted) > 0 {
		if file, err = temporaryFile(r.temporary); err != nil {
			return err
		}
		into = io.MultiWriter(hash, file)
		defer func() {
			if file != nil {
				file.Close()
			}
		}()
	}
	if err := r.files.Add(name, io.TeeReader(plain, into)); err != nil {
		var disk *fs.PathError
		if errors.As(err, &disk) {
			return err
		}
		return nil // as above
	}
	id := oci.DigestOfSum(hash.Sum(nil))
	layer := -1
	for at, each := range r.image.DiffIDs {
		if each == id {
			layer = at
		}
	}
	if layer < 0 {
		return nil
	}
	if err := r.files.Commit(layer, id); err != nil {
		return damaged(r.image, r.from, err.Error())
	}
	r.seen[id] = true
	if r.wanted[id] && r.found.tars[id] == nil {
		r.found.tars[id], file = file, nil
	}
	return nil
}

// describe keeps how the engine's own manifest names the filesystem layers.
func (r *reading) describe() {
	for _, manifest := range r.manifests {
		if !r.found.configs[manifest.Config.Digest] {
			continue
		}
		for at, layer := range manifest.Layers {
			r.found.descriptors[r.image.DiffIDs[at]] =
				oci.Descriptor{MediaType: layer.MediaType, Digest: layer.Digest, Size: layer.Size}
		}
	}
}

// temporaryFile has no name: it is gone with the process.
func temporaryFile(folder string) (*os.File, error) {
	file, err := os.CreateTemp(folder, ".layer-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

func damaged(image *engine.Image, from giver, because string) error {
	told := failure.Operation("reading the source image "+image.ID+" from "+from.name, because, from.fix)
	told.Err = errSource
	return told
}
