package enginetest

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

// PutFolders has the files of an image's filesystem layers in folders, which the classic store names from then on. They are
// returned, the lowest first.
func (e *Engine) PutFolders(t *testing.T, id string) []string {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.images[id]
	var folders []string
	for at, name := range oci.ChainIDs(found.diffIDs) {
		folder := filepath.Join(e.folder, engine.OverlayDriver, name.Hex(), "diff")
		notes := filepath.Join(e.folder, "image", engine.OverlayDriver, "layerdb/sha256", name.Hex())
		for _, each := range []string{folder, notes} {
			if err := os.MkdirAll(each, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		file, err := os.Create(filepath.Join(notes, "tar-split.json.gz"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		packed := gzip.NewWriter(file)
		packed.Write(sample.SplitTar(e.layers[chain(found.diffIDs[:at+1])], folder))
		if err := packed.Close(); err != nil {
			t.Fatal(err)
		}
		folders = append(folders, folder)
	}
	from := slices.Clone(folders)
	slices.Reverse(from)
	found.driver = map[string]any{"Name": engine.OverlayDriver,
		"Data": map[string]string{"UpperDir": from[0], "LowerDir": strings.Join(from[1:], ":")}}
	return folders
}
