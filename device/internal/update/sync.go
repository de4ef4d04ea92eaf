package update

import (
	"context"
	"os"
	"syscall"

	"imgbuild/device/internal/containerd"
	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/engine"
)

// sync writes the engine's data to its disk: a power cut must not take back what a tag or `current` speaks of, and
// containerd does not sync what it unpacks.
func (u *Updater) sync(info *engine.Info) error {
	folders, err := engineFolders(info)
	if err != nil {
		u.Log("warning: what containerd has may not be synced to its disk: %s", err)
	}
	if len(folders) == 0 {
		u.Log("warning: %s is not on this device: it could not be synced to its disk", info.DataRoot)
	}
	return syncFolders(folders)
}

// syncFolders syncs each file system once that the folders lie on.
func syncFolders(folders []string) error {
	synced := map[uint64]bool{}
	for _, folder := range folders {
		found, err := os.Stat(folder)
		if err != nil {
			return err
		}
		if device := uint64(found.Sys().(*syscall.Stat_t).Dev); !synced[device] {
			if err := durable.SyncFileSystem(folder); err != nil {
				return err
			}
			synced[device] = true
		}
	}
	return nil
}

// engineFolders are those on this device that an engine keeps images in; the last is where containerd has its blobs. With an error
// they are those that are known without containerd's answer.
func engineFolders(info *engine.Info) (folders []string, err error) {
	known := []string{info.DataRoot, "/var/lib/containerd"}
	if info.Store == engine.Containerd {
		var of containerd.Folders
		client := containerd.Connect(info.Below.Address, info.Below.Namespace)
		defer client.Close()
		if of, err = client.Folders(context.Background()); err == nil {
			known = append(append(known, of.Snapshots...), of.Content)
		}
	}
	for _, folder := range known {
		if found, err := os.Stat(folder); folder != "" && err == nil && found.IsDir() {
			folders = append(folders, folder)
		}
	}
	return folders, err
}
