package update_test

import (
	"path/filepath"
	"slices"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/enginetest"
	"imgbuild/device/internal/update"
)

// Containerd may have its files on other disks than Docker, and its blobs on another one than what it unpacks.
func TestTheFoldersThatContainerdNamesAreSynced(t *testing.T) {
	e := enginetest.Start(t, engine.Containerd)
	content := filepath.Dir(filepath.Dir(e.PutBlobs(t)))
	info, err := e.Client().Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	folders, err := update.EngineFolders(info)
	snapshots := filepath.Join(filepath.Dir(content), "snapshots")
	if err != nil || folders[0] != info.DataRoot || !slices.Contains(folders, snapshots) || folders[len(folders)-1] != content {
		t.Errorf("%v are synced, blobs are in %s and unpacked in %s: %v", folders, content, snapshots, err)
	}
	folders, err = update.EngineFolders(&engine.Info{DataRoot: info.DataRoot, Below: info.Below})
	if err != nil || slices.Contains(folders, content) {
		t.Errorf("%v are synced with the classic store: %v", folders, err)
	}
}

func TestFoldersWithoutAnAnswerOfContainerd(t *testing.T) {
	info := &engine.Info{Store: engine.Containerd, DataRoot: t.TempDir()}
	info.Below.Address = filepath.Join(info.DataRoot, "nobody.sock")
	folders, err := update.EngineFolders(info)
	if err == nil || !slices.Contains(folders, info.DataRoot) {
		t.Errorf("%v are synced: %v", folders, err)
	}
}
