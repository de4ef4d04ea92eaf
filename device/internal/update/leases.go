package update

import (
	"context"
	"regexp"
	"slices"

	"imgbuild/device/internal/containerd"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
)

// leases of containerd that a power cut left, and that keep the filesystem layers of an image which is removed. Docker knows
// nothing of them. There are two kinds: one on what was being unpacked, for a day; and one on the files of a container that
// was being made, for ever.
type leases struct {
	// orphans are IDs of containers that Docker did not know when leases for them were seen first.
	orphans []string
}

// end those that keep an image from being removed whole; it returns how many. A container that somebody makes just now has
// its lease before Docker knows it: so what has no container must be so twice, with a whole load between.
func (l *leases) end(ctx context.Context, docker *engine.Client, below engine.Below, diffIDs []oci.Digest) (int, error) {
	client := containerd.Connect(below.Address, below.Namespace)
	defer client.Close()
	found, err := client.Leases(ctx)
	if err != nil {
		return 0, err
	}
	containers, err := docker.Containers(ctx)
	if err != nil {
		return 0, err
	}
	chain := oci.ChainIDs(diffIDs)
	ended := 0
	for _, lease := range found {
		snapshots := lease.Resources["snapshots/"+below.Snapshotter]
		unpacks := lease.Expires && slices.ContainsFunc(snapshots, func(name string) bool { return slices.Contains(chain, oci.Digest(name)) })
		orphan := isOfContainer(lease.ID, snapshots) && !slices.Contains(containers, lease.ID)
		if orphan && !slices.Contains(l.orphans, lease.ID) {
			l.orphans = append(l.orphans, lease.ID)
			continue
		}
		if !unpacks && !orphan {
			continue
		}
		if err := client.EndLease(ctx, lease.ID); err != nil {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

var containerID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// isOfContainer tells the lease that Docker takes for a container from all others, as those that BuildKit has on its cache:
// it has the container's ID, and holds its files while they are made, what Docker itself adds, and what the container writes.
func isOfContainer(id string, snapshots []string) bool {
	return containerID.MatchString(id) && len(snapshots) > 0 && !slices.ContainsFunc(snapshots, func(name string) bool {
		return name != id && name != id+"-init" && name != id+"-init-key"
	})
}
