// Package engine speaks the Docker Engine API over a Unix socket: the part that moves images.
package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"imgbuild/device/internal/failure"
)

// Sockets that are looked for: Docker's, and the one of podman.socket.
const (
	dockerSocket = "/var/run/docker.sock"
	podmanSocket = "/run/podman/podman.sock"
)

// DefaultAddress is where Docker listens, or podman where there is no Docker.
func DefaultAddress() string { return "unix://" + firstSocket(dockerSocket, podmanSocket) }

// firstSocket that is there, else the first.
func firstSocket(paths ...string) string {
	for _, path := range paths {
		if found, err := os.Stat(path); err == nil && found.Mode()&os.ModeSocket != 0 {
			return path
		}
	}
	return paths[0]
}

const (
	answerLimit = 16 << 20
	bufferSize  = 256 << 10
)

// Client of one engine.
type Client struct {
	address string
	http    *http.Client
	asking  sync.Mutex
	known   *version
	product atomic.Value
}

// Connect makes a client for an address as DOCKER_HOST has it: unix://PATH.
func Connect(address string) (*Client, error) {
	path, ok := strings.CutPrefix(address, "unix://")
	if !ok || path == "" {
		return nil, failure.Input("reaching the engine at "+address, "only unix:// addresses are the device's own",
			"set DOCKER_HOST to unix://PATH, or leave it unset")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	transport := &http.Transport{DialContext: dial, WriteBufferSize: bufferSize, ReadBufferSize: bufferSize}
	return &Client{address: address, http: &http.Client{Transport: transport}}, nil
}

// refused is an answer that says no.
type refused struct {
	status int
	// cause is podman's word for the error, whatever the status.
	cause string
	told  *failure.Failure
}

func (r *refused) Error() string { return r.told.Error() }
func (r *refused) Unwrap() error { return r.told }

func isStatus(err error, status int) bool {
	var answer *refused
	return errors.As(err, &answer) && answer.status == status
}

// isConflict: podman gives some conflicts the status of any error.
func isConflict(err error) bool {
	var answer *refused
	return errors.As(err, &answer) && (answer.status == http.StatusConflict ||
		strings.Contains(answer.cause, "name is already in use") || strings.Contains(answer.cause, "more than one tag"))
}

// IsRefusal tells whether an error is the engine's own answer.
func IsRefusal(err error) bool {
	var answer *refused
	return errors.As(err, &answer)
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
		Cause   string `json:"cause"`
	}
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		told.Message = strings.TrimSpace(string(text))
	}
	if told.Message == "" {
		told.Message = "it answered " + response.Status
	}
	place, _, _ := strings.Cut(path, "?")
	return nil, &refused{response.StatusCode, told.Cause, failure.Operation(
		fmt.Sprintf("%s %s (%s)", method, place, c), told.Message, "see what it says")}
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
