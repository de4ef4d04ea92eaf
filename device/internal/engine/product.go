package engine

import (
	"context"
	"net/http"
	"slices"
)

// Product is whose program answers at the socket.
type Product string

// Docker, and podman where it offers Docker's API (`podman system service`).
const (
	ProductDocker Product = "Docker"
	ProductPodman Product = "podman"
)

type version struct {
	Os, Arch   string
	Components []struct{ Name string }
}

func (v *version) product() Product {
	if slices.ContainsFunc(v.Components, func(part struct{ Name string }) bool { return part.Name == "Podman Engine" }) {
		return ProductPodman
	}
	return ProductDocker
}

// version asks what answers, once: its names and errors are read by it.
func (c *Client) version(ctx context.Context) (*version, error) {
	c.asking.Lock()
	defer c.asking.Unlock()
	if c.known != nil {
		return c.known, nil
	}
	value := &version{}
	if err := c.call(ctx, http.MethodGet, "/version", nil, value); err != nil {
		return nil, err
	}
	c.known = value
	c.product.Store(value.product())
	return value, nil
}

func (c *Client) isPodman(ctx context.Context) (bool, error) {
	value, err := c.version(ctx)
	return err == nil && value.product() == ProductPodman, err
}

// String names the engine in messages.
func (c *Client) String() string {
	product, ok := c.product.Load().(Product)
	if !ok {
		product = ProductDocker // as far as is known
	}
	return string(product) + " at " + c.address
}

// Platform of the images that the engine runs: os/architecture, as Go names them.
func (c *Client) Platform(ctx context.Context) (string, error) {
	value, err := c.version(ctx)
	if err != nil {
		return "", err
	}
	return value.Os + "/" + value.Arch, nil
}
