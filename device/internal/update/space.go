package update

import (
	"fmt"
	"os"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
)

// need is how many bytes an update writes below a folder.
type need struct {
	folder string
	bytes  int64
}

// checkSpace fails with the figures where a disk has less than is needed of it.
func checkSpace(needs []need) error {
	type disk struct {
		folder       string
		needed, free int64
	}
	disks := map[uint64]*disk{}
	for _, each := range needs {
		free, device, err := durable.Space(each.folder)
		if err != nil {
			if os.IsNotExist(err) {
				continue // the engine's, on another machine
			}
			return err
		}
		if disks[device] == nil {
			disks[device] = &disk{each.folder, 0, free}
		}
		if disks[device].needed += each.bytes; disks[device].needed < 0 {
			disks[device].needed = 1 << 62
		}
	}
	for _, disk := range disks {
		if disk.needed > disk.free {
			return failure.Operation("looking at the disk", fmt.Sprintf("%s are needed on the disk of %s, and %s are free",
				failure.Bytes(disk.needed), disk.folder, failure.Bytes(disk.free)),
				"make room: `imgbuild-ota prune --keep 1` removes old releases")
		}
	}
	return nil
}

// podmanTemporary is where podman puts what it loads, unless its settings name another place.
const podmanTemporary = "/var/tmp"

// loadingNeeds of so many bytes of filesystem layers: Docker keeps what it is sent until it has unpacked it, podman the archive
// and what is in it.
func loadingNeeds(info *engine.Info, bytes int64) []need {
	if info.Store == engine.Podman {
		return []need{{storeFolder(info), bytes}, {podmanTemporary, 2 * bytes}}
	}
	return []need{{storeFolder(info), 2 * bytes}}
}

// storeFolder is where an engine unpacks what it is sent.
func storeFolder(info *engine.Info) string {
	folders, _ := engineFolders(info)
	if len(folders) == 0 {
		return info.DataRoot
	}
	if info.Store == engine.Containerd {
		return folders[len(folders)-1]
	}
	return folders[0]
}
