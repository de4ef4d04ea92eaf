package engine

import (
	"context"
	"strings"
)

// localHost is what podman puts before names without a registry when it loads or builds images. Where its Docker API is
// given such a name to tag, it takes it for one of Docker Hub's: so the whole name is always said, and never shown.
const localHost = "localhost/"

// nameThere is what an image is called in the engine; IDs stay what they are.
func (c *Client) nameThere(ctx context.Context, name string) (string, error) {
	podman, err := c.isPodman(ctx)
	if err != nil || !podman || hasRegistry(name) || strings.HasPrefix(name, "sha256:") {
		return name, err
	}
	return localHost + name, nil
}

// namesHere are names of the engine as everybody else knows them.
func (c *Client) namesHere(ctx context.Context, names []string) ([]string, error) {
	podman, err := c.isPodman(ctx)
	if err != nil || !podman {
		return names, err
	}
	here := make([]string, len(names))
	for at, name := range names {
		here[at] = strings.TrimPrefix(name, localHost)
	}
	return here, nil
}

// hasRegistry tells whether the first part of a name is a host, as Docker decides it.
func hasRegistry(name string) bool {
	first, _, more := strings.Cut(name, "/")
	return more && (first == "localhost" || strings.ContainsAny(first, ".:"))
}
