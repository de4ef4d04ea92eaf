package engine

import (
	"context"
	"errors"
	"io"
	"net/http"

	"imgbuild/device/internal/oci"
)

// Containers by their IDs, also those that do not run.
func (c *Client) Containers(ctx context.Context) ([]string, error) {
	var list []struct {
		ID string `json:"Id"`
	}
	if err := c.call(ctx, http.MethodGet, "/containers/json?all=1", nil, &list); err != nil {
		return nil, err
	}
	var ids []string
	for _, each := range list {
		ids = append(ids, each.ID)
	}
	return ids, nil
}

// TryContainer creates a container and removes it again: proof that the engine can run the image. Nothing is started.
func (c *Client) TryContainer(ctx context.Context, image string) error {
	if err := c.createProbe(ctx, image); err != nil {
		return err
	}
	// Docker notices here what a power cut has taken from its notes on the image's highest filesystem layer.
	err := c.call(ctx, http.MethodGet, "/containers/"+probeName(image)+"/json", nil, nil)
	return errors.Join(err, c.removeProbe(ctx, image))
}

func (c *Client) createProbe(ctx context.Context, image string) error {
	// An image without a command has to prove itself, too: some command must be named.
	probe := map[string]any{"Image": image, "Cmd": []string{"/imgbuild-probe"}}
	path := "/containers/create?name=" + probeName(image)
	err := c.call(ctx, http.MethodPost, path, probe, nil)
	if isConflict(err) && c.removeProbe(ctx, image) == nil {
		err = c.call(ctx, http.MethodPost, path, probe, nil) // one was left by somebody who was killed
	}
	return err
}

// Export reads the tree that a container of the image has, as a tar, from the files that it would get.
func (c *Client) Export(ctx context.Context, image string) (io.ReadCloser, error) {
	if err := c.createProbe(ctx, image); err != nil {
		return nil, err
	}
	response, err := c.do(ctx, http.MethodGet, "/containers/"+probeName(image)+"/export", "", nil)
	if err != nil {
		return nil, errors.Join(err, c.removeProbe(context.WithoutCancel(ctx), image))
	}
	return &export{response.Body, func() error { return c.removeProbe(context.WithoutCancel(ctx), image) }}, nil
}

type export struct {
	io.ReadCloser
	remove func() error
}

func (e *export) Close() error { return errors.Join(e.ReadCloser.Close(), e.remove()) }

// probeName is the same for everybody who tries an image, so that what somebody left is found.
func probeName(image string) string {
	sum := oci.DigestOf([]byte(image))
	return "imgbuild-probe-" + sum.Hex()[:16]
}

func (c *Client) removeProbe(ctx context.Context, image string) error {
	return c.call(ctx, http.MethodDelete, "/containers/"+probeName(image)+"?force=1&v=1", nil, nil)
}
