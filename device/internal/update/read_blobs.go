package update

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"imgbuild/device/internal/containerd"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
)

// blobVisitor is told of filesystem layers before they are read.
type blobVisitor interface {
	layerVisitor
	// needs tells whether a filesystem layer has to be read.
	needs(id oci.Digest) bool
	// lend offers the file of an uncompressed one, which stays open where it is taken.
	lend(id oci.Digest, tar *os.File, size int64) (taken bool, err error)
}

// readBlobs is read from the files in which containerd keeps the blobs of images, where Docker would have them copied to it and
// would copy them to us. What is there is not trusted: manifests and configs must have the digests by which they are named, the
// engine's ID of the image first, and filesystem layers their diffIDs. Those of which nothing is wanted are not read: the new
// image names them as the old one does. It may be that containerd removes a blob meanwhile: a file that is open stays.
func (u *Updater) readBlobs(ctx context.Context, info *engine.Info, image *engine.Image, files blobVisitor,
	temporary string) (found *readImage, err error) {
	if info.Store != engine.Containerd {
		return nil, errNotThere
	}
	client := containerd.Connect(info.Below.Address, info.Below.Namespace)
	defer client.Close()
	folders, err := client.Folders(ctx)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(filepath.Join(folders.Content, "blobs/sha256"))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	reading := u.newReading(image, fromDocker, files, nil, temporary)
	defer func() {
		if err != nil {
			reading.found.close()
		}
	}()
	manifest, err := (&blobs{root}).manifestOf(image, oci.Digest(image.ID))
	if err != nil {
		return nil, err
	}
	reading.found.configs[manifest.Config.Digest] = true
	reading.manifests = append(reading.manifests, *manifest)
	for at, id := range image.DiffIDs {
		if err := reading.blob(ctx, &blobs{root}, id, manifest.Layers[at], files); err != nil {
			return nil, err
		}
	}
	reading.describe()
	return reading.found, nil
}

// blob reads one filesystem layer, as far as it is needed. One that is not compressed is lent, and read for its digest here.
func (r *reading) blob(ctx context.Context, from *blobs, id oci.Digest, layer oci.Descriptor, files blobVisitor) error {
	file, err := from.open(layer)
	if err != nil {
		return err
	}
	lent := false
	defer func() {
		if !lent {
			file.Close()
		}
	}()
	if r.seen[id] || !files.needs(id) {
		return nil
	}
	if layer.Digest == id {
		if lent, err = files.lend(id, file, layer.Size); err != nil {
			return err
		}
	}
	tar := io.NewSectionReader(file, 0, layer.Size)
	if err := r.layer(blobName(id), stoppable(ctx, tar)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !r.seen[id] {
		return fmt.Errorf("the blob %s is not the filesystem layer %s: it was altered", layer.Digest, id)
	}
	return nil
}

// blobs in a folder, in files that have their digests for names.
type blobs struct{ root *os.Root }

// open the file of a blob.
func (b *blobs) open(blob oci.Descriptor) (*os.File, error) {
	file, size, err := b.openAny(blob.Digest)
	if err == nil && size != blob.Size {
		file.Close()
		return nil, fmt.Errorf("the blob %s has %d bytes and not %d", blob.Digest, size, blob.Size)
	}
	return file, err
}

func (b *blobs) openAny(digest oci.Digest) (*os.File, int64, error) {
	if _, err := oci.ParseDigest(string(digest)); err != nil {
		return nil, 0, err
	}
	// Whatever is in its place is not waited for.
	file, err := b.root.OpenFile(digest.Hex(), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	found, err := file.Stat()
	if err == nil && !found.Mode().IsRegular() {
		err = fmt.Errorf("the blob %s is no regular file", digest)
	}
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, found.Size(), nil
}

// document is a blob as a whole, which has its digest.
func (b *blobs) document(digest oci.Digest) ([]byte, error) {
	file, size, err := b.openAny(digest)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if size > documentLimit {
		return nil, fmt.Errorf("the blob %s has %d bytes, and is to be a document", digest, size)
	}
	text, err := io.ReadAll(io.LimitReader(file, documentLimit))
	if err == nil && oci.DigestOf(text) != digest {
		err = fmt.Errorf("the blob %s has other bytes: it was altered", digest)
	}
	return text, err
}

// manifestOf an image is what its ID names, or one of the index that this names: the one with its filesystem layers.
func (b *blobs) manifestOf(image *engine.Image, id oci.Digest) (*oci.Manifest, error) {
	text, err := b.document(id)
	if err != nil {
		return nil, err
	}
	var index oci.Index
	if json.Unmarshal(text, &index) == nil && len(index.Manifests) > 0 {
		for _, each := range index.Manifests {
			found, err := b.manifestWith(image.DiffIDs, each.Digest)
			if found != nil || err != nil {
				return found, err
			}
		}
		return nil, fmt.Errorf("the index %s names no manifest of these filesystem layers", id)
	}
	found, err := b.manifestWith(image.DiffIDs, id)
	if found == nil && err == nil {
		err = fmt.Errorf("the manifest %s is of other filesystem layers", id)
	}
	return found, err
}

// manifestWith reads a manifest and its config; nil where these are of other filesystem layers, or not there: an index names
// those of other platforms, too.
func (b *blobs) manifestWith(diffIDs []oci.Digest, id oci.Digest) (*oci.Manifest, error) {
	var manifest oci.Manifest
	var config oci.Config
	if err := b.parse(id, &manifest); err != nil || len(manifest.Layers) != len(diffIDs) {
		return nil, leaveOut(err)
	}
	if err := b.parse(manifest.Config.Digest, &config); err != nil || !slices.Equal(config.RootFS.DiffIDs, diffIDs) {
		return nil, leaveOut(err)
	}
	return &manifest, nil
}

func leaveOut(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (b *blobs) parse(digest oci.Digest, into any) error {
	text, err := b.document(digest)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
