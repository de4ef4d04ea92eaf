package update

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/tarsplit"
)

// errNotThere is of an image whose folders the engine does not name, or not to us.
var errNotThere = errors.New("its folders are not known")

// readFolders is read from the folders that the classic store names, without the copies that it makes of an image before it
// gives it to anybody. What is there is not trusted: it fails unless each filesystem layer has its digest.
func (u *Updater) readFolders(ctx context.Context, info *engine.Info, image *engine.Image, files layerVisitor,
	tars map[oci.Digest]bool, temporary string) (found *readImage, err error) {
	if info.Store != engine.Classic || len(image.Folders) != len(image.DiffIDs) || len(image.Folders) == 0 {
		return nil, errNotThere
	}
	reading := u.newReading(image, fromDocker, files, tars, temporary)
	defer func() {
		if err != nil {
			reading.found.close()
		}
	}()
	chain := oci.ChainIDs(image.DiffIDs)
	for at, id := range image.DiffIDs {
		if !reading.seen[id] {
			notes := filepath.Join(info.DataRoot, "image", engine.OverlayDriver, "layerdb/sha256", chain[at].Hex())
			if err := reading.folder(ctx, id, image.Folders[at], filepath.Join(notes, "tar-split.json.gz")); err != nil {
				return nil, err
			}
		}
	}
	return reading.found, reading.missing()
}

// folder reads one filesystem layer from where its files are, and the list of all else that is in its tar.
func (r *reading) folder(ctx context.Context, id oci.Digest, folder, list string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	packed, err := os.Open(list)
	if err != nil {
		return err
	}
	defer packed.Close()
	plain, err := gzip.NewReader(bufio.NewReader(packed))
	if err != nil {
		return err
	}
	defer plain.Close()
	tar := tarsplit.NewReader(plain, root)
	defer tar.Close()
	return r.layer(blobName(id), stoppable(ctx, tar))
}
