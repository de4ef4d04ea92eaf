package containerd

import (
	"context"
	"errors"
)

// contentType is the kind of plugin that keeps blobs.
const contentType = "io.containerd.content.v1"

// ErrNoContent is of a containerd that does not name a folder of blobs.
var ErrNoContent = errors.New("containerd names no folder of blobs")

// ContentFolder is where containerd keeps the blobs of all its namespaces: `blobs/sha256/HEX` below it is the one with that
// digest (containerd, docs/content-flow.md). It asks which plugins there are (api/services/introspection/v1).
func (c *Client) ContentFolder(ctx context.Context) (string, error) {
	answer, err := c.call(ctx, "introspection.v1.Introspection/Plugins", appendBytes(nil, 1, []byte("type=="+contentType)))
	if err != nil {
		return "", err
	}
	folder := ""
	err = eachBytes(answer, func(field int, message []byte) error {
		if field != 1 {
			return nil
		}
		found, err := parsePlugin(message)
		if found.kind == contentType && found.root != "" {
			folder = found.root
		}
		return err
	})
	if err == nil && folder == "" {
		err = ErrNoContent
	}
	return folder, err
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
