package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"imgbuild/device/internal/oci"
)

// Image is what an engine tells of one.
type Image struct {
	// ID is the config's digest in the classic store, the manifest's or index's in containerd's.
	ID      string
	DiffIDs []oci.Digest
	Tags    []string
	// Size in bytes, as the engine counts.
	Size int64
	// Folders of the filesystem layers, the lowest first, where the engine names them.
	Folders []string
	// Damaged is what the engine says of an image that it lists and cannot read, as after a power cut: filesystem layers
	// and size are unknown then.
	Damaged string
}

// Inspect finds an image by ID or name; nil where the engine has none.
func (c *Client) Inspect(ctx context.Context, name string) (*Image, error) {
	value, err := c.inspect(ctx, name)
	if isStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	if isStatus(err, http.StatusInternalServerError) {
		if damaged := c.findListed(ctx, name); damaged != nil {
			damaged.Damaged = err.Error()
			return damaged, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &Image{ID: value.ID, DiffIDs: value.RootFS.Layers, Tags: value.RepoTags, Size: value.Size,
		Folders: value.GraphDriver.folders()}, nil
}

// inspected is the answer about one image.
type inspected struct {
	ID       string `json:"Id"`
	Parent   string
	RepoTags []string
	Size     int64
	RootFS   struct{ Layers []oci.Digest }
	// GraphDriver is the storage driver below.
	GraphDriver graphDriver
}

// OverlayDriver is the storage driver that names its folders.
const OverlayDriver = "overlay2"

type graphDriver struct {
	Name string
	Data struct{ LowerDir, UpperDir string }
}

// folders of filesystem layers, the lowest first.
func (g *graphDriver) folders() []string {
	if g.Name != OverlayDriver || g.Data.UpperDir == "" {
		return nil
	}
	folders := []string{g.Data.UpperDir}
	if g.Data.LowerDir != "" {
		folders = append(folders, strings.Split(g.Data.LowerDir, ":")...)
	}
	slices.Reverse(folders)
	return folders
}

func (c *Client) inspect(ctx context.Context, name string) (*inspected, error) {
	there, err := c.nameThere(ctx, name)
	if err != nil {
		return nil, err
	}
	value := &inspected{}
	if err := c.call(ctx, http.MethodGet, "/images/"+url.PathEscape(there)+"/json", nil, value); err != nil {
		return nil, err
	}
	value.RepoTags, err = c.namesHere(ctx, value.RepoTags)
	return value, err
}

// listed is an image as lists have it.
type listed struct {
	ID       string `json:"Id"`
	RepoTags []string
}

func (c *Client) list(ctx context.Context, query string) ([]listed, error) {
	var value []listed
	if err := c.call(ctx, http.MethodGet, "/images/json"+query, nil, &value); err != nil {
		return nil, err
	}
	for at := range value {
		var err error
		if value[at].RepoTags, err = c.namesHere(ctx, value[at].RepoTags); err != nil {
			return nil, err
		}
	}
	return value, nil
}

// findListed is an image as the list of all has it, by ID or name.
func (c *Client) findListed(ctx context.Context, name string) *Image {
	value, err := c.list(ctx, "?all=1")
	if err != nil {
		return nil
	}
	for _, each := range value {
		if each.ID == name || slices.Contains(each.RepoTags, name) {
			return &Image{ID: each.ID, Tags: each.RepoTags}
		}
	}
	return nil
}

// List tells the IDs of all images.
func (c *Client) List(ctx context.Context) ([]string, error) {
	value, err := c.list(ctx, "?all=1")
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var ids []string
	for _, each := range value {
		if !seen[each.ID] {
			seen[each.ID] = true
			ids = append(ids, each.ID)
		}
	}
	return ids, nil
}

// Tags lists the names of all images.
func (c *Client) Tags(ctx context.Context) ([]string, error) {
	value, err := c.list(ctx, "")
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, each := range value {
		tags = append(tags, each.RepoTags...)
	}
	return tags, nil
}

// Tag gives an image another name; whoever had it loses it.
func (c *Client) Tag(ctx context.Context, image, repository, tag string) error {
	there, err := c.nameThere(ctx, repository)
	if err != nil {
		return err
	}
	query := url.Values{"repo": {there}, "tag": {tag}}
	return c.call(ctx, http.MethodPost, "/images/"+url.PathEscape(image)+"/tag?"+query.Encode(), nil, nil)
}

// ErrInUse is the error of an image that a container or another name needs.
var ErrInUse = errors.New("the image is in use")

// Remove removes a name, or an image by its ID; a missing one is no error.
func (c *Client) Remove(ctx context.Context, image string) error {
	if err := c.spareParent(ctx, image); err != nil {
		return err
	}
	there, err := c.nameThere(ctx, image)
	if err != nil {
		return err
	}
	path := "/images/" + url.PathEscape(there) + "?noprune=1"
	err = c.call(ctx, http.MethodDelete, path, nil, nil)
	if isConflict(err) && c.removeProbe(ctx, image) == nil {
		err = c.call(ctx, http.MethodDelete, path, nil, nil)
	}
	switch {
	case isStatus(err, http.StatusNotFound):
		return nil
	case isConflict(err):
		return fmt.Errorf("%w: %s", ErrInUse, err)
	}
	return err
}

// spareParent: podman does not know noprune, and older ones (4.3) remove with an image the one without a name that it was
// made on, which may be the release that runs.
func (c *Client) spareParent(ctx context.Context, image string) error {
	podman, err := c.isPodman(ctx)
	if err != nil || !podman {
		return err
	}
	found, err := c.inspect(ctx, image)
	if err != nil || found.Parent == "" || len(found.RepoTags) > 1 {
		return nil // it is not there, or stays, or cannot be read: removing it tells
	}
	parent, err := c.inspect(ctx, "sha256:"+found.Parent)
	if err != nil || len(parent.RepoTags) > 0 {
		return nil
	}
	return fmt.Errorf("%w: podman would remove %s with it, which has no name", ErrInUse, parent.ID)
}
