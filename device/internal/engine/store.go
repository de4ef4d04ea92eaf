package engine

import (
	"cmp"
	"context"
	"net/http"
	"strings"
)

// Store tells how an engine keeps images, and with that what their IDs are and what it loads.
type Store int

// Classic is Docker's own: filesystem layers by chain ID. Containerd: blobs by digest. Podman, of containers/storage:
// filesystem layers by diffID, whatever is below them.
const (
	Classic Store = iota
	Containerd
	Podman
)

// Info is what an engine tells of itself.
type Info struct {
	// DataRoot is the folder in which the engine keeps everything.
	DataRoot string
	Store    Store
	Version  string
	// Below is set where Store is Containerd.
	Below Below
}

// Below is the containerd that an engine keeps its images in.
type Below struct {
	// Address is the path of its socket.
	Address     string
	Namespace   string
	Snapshotter string
}

// Info asks for it.
func (c *Client) Info(ctx context.Context) (*Info, error) {
	var value struct {
		DockerRootDir string
		Driver        string
		DriverStatus  [][2]string
		ServerVersion string
		// Docker tells it from API 1.46 on.
		Containerd struct {
			Address    string
			Namespaces struct{ Containers string }
		}
	}
	if err := c.call(ctx, http.MethodGet, "/info", nil, &value); err != nil {
		return nil, err
	}
	podman, err := c.isPodman(ctx)
	if err != nil {
		return nil, err
	}
	info := &Info{DataRoot: value.DockerRootDir, Version: value.ServerVersion}
	if podman {
		info.Store = Podman
		return info, nil
	}
	for _, pair := range value.DriverStatus {
		if pair[0] == "driver-type" && strings.HasPrefix(pair[1], "io.containerd.snapshotter") {
			info.Store = Containerd
			below := value.Containerd
			info.Below = Below{cmp.Or(below.Address, "/run/containerd/containerd.sock"),
				cmp.Or(below.Namespaces.Containers, "moby"), value.Driver}
		}
	}
	return info, nil
}
