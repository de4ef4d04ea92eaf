package containerd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Kinds of plugins that keep blobs, and what is unpacked of them.
const (
	contentType     = "io.containerd.content.v1"
	snapshotterType = "io.containerd.snapshotter.v1"
)

// foldersPatience with the question where files are, which takes containerd no work.
const foldersPatience = 10 * time.Second

// ErrNoContent is of a containerd that does not name a folder of blobs.
var ErrNoContent = errors.New("containerd names no folder of blobs")

// Folders that containerd keeps files in, of all its namespaces.
type Folders struct {
	// Content has the blobs: `blobs/sha256/HEX` below it is the one with that digest (containerd, docs/content-flow.md).
	Content string
	// Snapshots are those of its snapshotters, used or not, which unpack blobs there.
	Snapshots []string
}

// Folders asks which plugins there are (api/services/introspection/v1).
func (c *Client) Folders(ctx context.Context) (folders Folders, err error) {
	limit := min(c.patience, foldersPatience)
	limited, end := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it has not answered for %s", limit))
	defer end()
	filters := appendBytes(appendBytes(nil, 1, []byte("type=="+contentType)), 1, []byte("type=="+snapshotterType))
	answer, err := c.call(limited, "introspection.v1.Introspection/Plugins", filters)
	if err != nil {
		return folders, err
	}
	err = eachBytes(answer, func(field int, message []byte) error {
		if field != 1 {
			return nil
		}
		found, err := parsePlugin(message)
		switch {
		case !filepath.IsAbs(found.root):
		case found.kind == contentType:
			folders.Content = found.root
		case found.kind == snapshotterType:
			folders.Snapshots = append(folders.Snapshots, found.root)
		}
		return err
	})
	if err == nil && folders.Content == "" {
		err = ErrNoContent
	}
	return folders, err
}

type plugin struct{ kind, root string }

func parsePlugin(message []byte) (found plugin, err error) {
	err = eachBytes(message, func(field int, value []byte) error {
		switch field {
		case 1:
			found.kind = string(value)
		case 5:
			key, text, err := parsePair(value)
			if key == "root" {
				found.root = text
			}
			return err
		}
		return nil
	})
	return found, err
}

// parsePair is an entry of a map of strings.
func parsePair(message []byte) (key, value string, err error) {
	err = eachBytes(message, func(field int, text []byte) error {
		switch field {
		case 1:
			key = string(text)
		case 2:
			value = string(text)
		}
		return nil
	})
	return key, value, err
}
