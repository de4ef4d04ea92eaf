package update_test

import (
	"path/filepath"
	"slices"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/enginetest"
	"imgbuild/device/internal/update"
)

// Containerd may have its files on another disk than Docker.
func TestTheFolderThatContainerdNamesIsSynced(t *testing.T) {
	e := enginetest.Start(t, engine.Containerd)
	blobs := filepath.Dir(filepath.Dir(e.PutBlobs(t)))
	info, err := e.Client().Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if folders := update.EngineFolders(info); !slices.Contains(folders, blobs) || folders[0] != info.DataRoot {
		t.Errorf("%v are synced, and blobs are in %s", folders, blobs)
	}
	if folders := update.EngineFolders(&engine.Info{DataRoot: info.DataRoot, Below: info.Below}); slices.Contains(folders, blobs) {
		t.Errorf("%v are synced with the classic store", folders)
	}
}
