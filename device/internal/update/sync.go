package update

import (
	"context"
	"os"
	"time"

	"imgbuild/device/internal/containerd"
	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/engine"
)

// sync writes the engine's data to its disk: a power cut must not take back what a tag or `current` speaks of, and
// containerd does not sync what it unpacks.
func (u *Updater) sync(info *engine.Info) error {
	folders := engineFolders(info)
	if len(folders) == 0 {
		u.Log("warning: %s is not on this device: it could not be synced to its disk", info.DataRoot)
	}
	return syncFolders(folders)
}

func syncFolders(folders []string) error {
	for _, folder := range folders {
		if err := durable.SyncFileSystem(folder); err != nil {
			return err
		}
	}
	return nil
}

// engineFolders are those on this device that an engine keeps images in: one at least of each file system that it uses.
func engineFolders(info *engine.Info) []string {
	var folders []string
	for _, folder := range []string{info.DataRoot, "/var/lib/containerd", blobsFolder(info)} {
		if found, err := os.Stat(folder); folder != "" && err == nil && found.IsDir() {
			folders = append(folders, folder)
		}
	}
	return folders
}

// blobsFolder as containerd names it; "" where it does not.
func blobsFolder(info *engine.Info) string {
	if info.Store != engine.Containerd {
		return ""
	}
	limited, end := context.WithTimeout(context.Background(), 10*time.Second)
	defer end()
	client := containerd.Connect(info.Below.Address, info.Below.Namespace)
	defer client.Close()
	folder, _ := client.ContentFolder(limited)
	return folder
}
