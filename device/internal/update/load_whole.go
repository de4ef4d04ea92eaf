package update

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
)

// byDiffID describes an image's filesystem layers as uncompressed: podman finds those that it has by that. It does not look at
// the size of what it is not sent.
func byDiffID(image *bundle.Image) map[oci.Digest]oci.Descriptor {
	layers := map[oci.Digest]oci.Descriptor{}
	for _, layer := range image.Layers {
		layers[layer.DiffID] = oci.Descriptor{MediaType: oci.TypeLayerTar, Digest: layer.DiffID,
			Size: max(layer.Size, layer.Descriptor.Size)}
	}
	return layers
}

// isPartial tells whether filesystem layers of the image are not in the archive.
func (a *loadArchive) isPartial() bool { return len(a.missing()) > 0 }

func (a *loadArchive) missing() map[oci.Digest]bool {
	missing := map[oci.Digest]bool{}
	for _, layer := range a.image.Layers {
		if _, made := a.ready[layer.DiffID]; !made {
			missing[layer.DiffID] = true
		}
	}
	return missing
}

// sendWhole is for a podman that does not find what it has, as where it pulled a filesystem layer in parts and knows no digest
// of all of it: the archive has every filesystem layer then, those that it shares with the source image as they come out
// of that.
func (a *application) sendWhole(ctx context.Context, archive *loadArchive, source *engine.Image, refused error) (string, error) {
	if source == nil {
		return "", refused
	}
	a.Log("%s does not take the new filesystem layers alone: sending all of them (%s)", a.Engine, refused)
	if err := checkSpace(loadingNeeds(a.info, source.Size+archive.size())); err != nil {
		return "", err
	}
	archive.shared = func(to *tar.Writer) error { return a.copyLayers(ctx, to, source, archive.missing()) }
	return a.send(ctx, archive, func() error { return nil })
}

// size of what is made anew, in bytes.
func (a *loadArchive) size() int64 {
	var sum int64
	for _, each := range a.ready {
		sum += each.size
	}
	return sum
}

// copyLayers takes filesystem layers out of what podman gives of an image, where their names have their diffIDs. It fails
// unless all of them come, byte for byte: what has been written then is no archive.
func (a *application) copyLayers(ctx context.Context, to *tar.Writer, image *engine.Image, missing map[oci.Digest]bool) error {
	stream, err := a.Engine.Save(ctx, image.ID)
	if err != nil {
		return err
	}
	defer stream.Close()
	from := tar.NewReader(stream)
	for len(missing) > 0 {
		header, err := from.Next()
		if err == io.EOF {
			lacks := slices.Sorted(maps.Keys(missing))
			return damaged(image, fromDocker, fmt.Sprintf("it lacks the filesystem layer %s", lacks[0]))
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return damaged(image, fromDocker, "what comes of it breaks off: "+err.Error())
		}
		id := oci.Digest("sha256:" + strings.TrimSuffix(path.Base(header.Name), ".tar"))
		if header.Typeflag != tar.TypeReg || !missing[id] {
			continue
		}
		found, err := copyLayer(to, stoppable(ctx, from), header.Size, id)
		if err != nil {
			return err
		}
		if found != id {
			return damaged(image, fromDocker, fmt.Sprintf("podman does not give the filesystem layer %s as it was: it was altered", id))
		}
		delete(missing, id)
	}
	return nil
}

// copyLayer tells the digest of what it copied.
func copyLayer(to *tar.Writer, layer io.Reader, size int64, id oci.Digest) (oci.Digest, error) {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: blobName(id), Size: size, Mode: 0o644}
	if err := to.WriteHeader(header); err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err := io.Copy(io.MultiWriter(to, hash), layer)
	return oci.DigestOfSum(hash.Sum(nil)), err
}
