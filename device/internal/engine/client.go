// Package engine speaks the Docker Engine API over a Unix socket: the part that moves images.
package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"

	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
)

// DefaultAddress is where Docker listens.
const DefaultAddress = "unix:///var/run/docker.sock"

const (
	answerLimit = 16 << 20
	bufferSize  = 256 << 10
)

// Client of one engine.
type Client struct {
	address string
	http    *http.Client
}

// Connect makes a client for an address as DOCKER_HOST has it: unix://PATH.
func Connect(address string) (*Client, error) {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok || path == "" {
		return nil, failure.Input("reaching Docker at "+address, "only unix:// addresses are the device's own Docker",
			"set DOCKER_HOST to unix://PATH, or leave it unset")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	transport := &http.Transport{DialContext: dial, WriteBufferSize: bufferSize, ReadBufferSize: bufferSize}
	return &Client{address: address, http: &http.Client{Transport: transport}}, nil
}

// Address for messages.
func (c *Client) Address() string { return c.address }

// refused is an answer that says no.
type refused struct {
	status int
	told   *failure.Failure
}

func (r *refused) Error() string { return r.told.Error() }
func (r *refused) Unwrap() error { return r.told }

func isStatus(err error, status int) bool {
	var answer *refused
	return errors.As(err, &answer) && answer.status == status
}

// do sends a request. The caller closes the body.
func (c *Client) do(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, body)
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, c.unreachable(err)
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	var told struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		told.Message = strings.TrimSpace(string(text))
	}
	if told.Message == "" {
		told.Message = "it answered " + response.Status
	}
	place, _, _ := strings.Cut(path, "?")
	return nil, &refused{response.StatusCode, failure.Operation(
		fmt.Sprintf("%s %s (Docker at %s)", method, place, c.address), told.Message, "see what Docker says")}
}

func (c *Client) call(ctx context.Context, method, path string, send, into any) error {
	var body io.Reader
	contentType := ""
	if send != nil {
		encoded, err := json.Marshal(send)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(encoded), "application/json"
	}
	response, err := c.do(ctx, method, path, contentType, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, answerLimit)).Decode(into); err != nil {
		return c.unreachable(fmt.Errorf("what answers there is no Docker: %w", err))
	}
	return nil
}

func (c *Client) unreachable(err error) error {
	because := err.Error()
	switch {
	case errors.Is(err, os.ErrNotExist):
		because = "there is no such socket: Docker is not installed or not running"
	case errors.Is(err, syscall.ECONNREFUSED):
		because = "nothing listens there: Docker is not running"
	case errors.Is(err, os.ErrPermission):
		because = "this user may not use the socket"
	}
	return &failure.Failure{Doing: "reaching Docker at " + c.address, Because: because,
		Fix: "start Docker, or set DOCKER_HOST to the one that is meant", Err: err}
}

// Store tells how an engine keeps images.
type Store int

// Classic: filesystem layers by chain ID below a storage driver. Containerd: blobs by digest.
const (
	Classic Store = iota
	Containerd
)

// OverlayDriver is the storage driver of the classic store that names its folders.
const OverlayDriver = "overlay2"

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
	info := &Info{DataRoot: value.DockerRootDir, Version: value.ServerVersion}
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

// Platform of the images that the engine runs: os/architecture, as Go names them.
func (c *Client) Platform(ctx context.Context) (string, error) {
	var value struct{ Os, Arch string }
	if err := c.call(ctx, http.MethodGet, "/version", nil, &value); err != nil {
		return "", err
	}
	return value.Os + "/" + value.Arch, nil
}

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
	var value struct {
		ID       string `json:"Id"`
		RepoTags []string
		Size     int64
		RootFS   struct{ Layers []oci.Digest }
		// The classic store has one with a storage driver.
		GraphDriver struct {
			Name string
			Data struct{ LowerDir, UpperDir string }
		}
	}
	err := c.call(ctx, http.MethodGet, "/images/"+url.PathEscape(name)+"/json", nil, &value)
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
	image := &Image{ID: value.ID, DiffIDs: value.RootFS.Layers, Tags: value.RepoTags, Size: value.Size}
	if driver := value.GraphDriver; driver.Name == OverlayDriver && driver.Data.UpperDir != "" {
		image.Folders = []string{driver.Data.UpperDir}
		if driver.Data.LowerDir != "" {
			image.Folders = append(image.Folders, strings.Split(driver.Data.LowerDir, ":")...)
		}
		slices.Reverse(image.Folders)
	}
	return image, nil
}

// findListed is an image as the list of all has it, by ID or name.
func (c *Client) findListed(ctx context.Context, name string) *Image {
	var value []struct {
		ID       string `json:"Id"`
		RepoTags []string
	}
	if c.call(ctx, http.MethodGet, "/images/json?all=1", nil, &value) != nil {
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
	var value []struct {
		ID string `json:"Id"`
	}
	if err := c.call(ctx, http.MethodGet, "/images/json?all=1", nil, &value); err != nil {
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
	var value []struct{ RepoTags []string }
	if err := c.call(ctx, http.MethodGet, "/images/json", nil, &value); err != nil {
		return nil, err
	}
	var tags []string
	for _, each := range value {
		tags = append(tags, each.RepoTags...)
	}
	return tags, nil
}

// Pull has the engine fetch an image by digest from its registry.
func (c *Client) Pull(ctx context.Context, reference string) error {
	repository, digest, _ := strings.Cut(reference, "@")
	query := url.Values{"fromImage": {repository}, "tag": {digest}}
	response, err := c.do(ctx, http.MethodPost, "/images/create?"+query.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	messages := json.NewDecoder(response.Body)
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		switch {
		case err == io.EOF:
			return nil
		case err != nil && ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return c.unreachable(fmt.Errorf("its answer broke off: %w", err))
		case message.Error != "":
			return failure.Operation("pulling "+reference+" (Docker at "+c.address+")", message.Error, "see what Docker says")
		}
	}
}

// Save reads what `docker save` writes. The caller closes it.
func (c *Client) Save(ctx context.Context, image string) (io.ReadCloser, error) {
	response, err := c.do(ctx, http.MethodGet, "/images/"+url.PathEscape(image)+"/get", "", nil)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// Load sends an archive to `docker load` and returns what it said. That it said no error does not mean that the image is
// complete.
func (c *Client) Load(ctx context.Context, archive io.Reader) (string, error) {
	response, err := c.do(ctx, http.MethodPost, "/images/load?quiet=1", "application/x-tar", archive)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var said []string
	messages := json.NewDecoder(io.LimitReader(response.Body, 1<<20))
	for {
		var message struct {
			Stream string `json:"stream"`
			Error  string `json:"error"`
		}
		err := messages.Decode(&message)
		if err == io.EOF {
			return strings.Join(said, "; "), nil
		}
		if err != nil {
			return "", c.unreachable(fmt.Errorf("its answer broke off: %w", err))
		}
		if message.Error != "" {
			return "", failure.Operation("loading an image (Docker at "+c.address+")", message.Error, "see what Docker says")
		}
		if text := strings.TrimSpace(message.Stream); text != "" {
			said = append(said, text)
		}
	}
}

// Tag gives an image another name; whoever had it loses it.
func (c *Client) Tag(ctx context.Context, image, repository, tag string) error {
	query := url.Values{"repo": {repository}, "tag": {tag}}
	return c.call(ctx, http.MethodPost, "/images/"+url.PathEscape(image)+"/tag?"+query.Encode(), nil, nil)
}

// ErrInUse is the error of an image that a container or another name needs.
var ErrInUse = errors.New("the image is in use")

// Remove removes a name, or an image by its ID; a missing one is no error.
func (c *Client) Remove(ctx context.Context, image string) error {
	path := "/images/" + url.PathEscape(image) + "?noprune=1"
	err := c.call(ctx, http.MethodDelete, path, nil, nil)
	if isStatus(err, http.StatusConflict) && c.removeProbe(ctx, image) == nil {
		err = c.call(ctx, http.MethodDelete, path, nil, nil)
	}
	switch {
	case isStatus(err, http.StatusNotFound):
		return nil
	case isStatus(err, http.StatusConflict):
		return fmt.Errorf("%w: %s", ErrInUse, err)
	}
	return err
}

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
	if isStatus(err, http.StatusConflict) && c.removeProbe(ctx, image) == nil {
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
