// Package containerd speaks to the containerd below Docker: about leases, which Docker itself cannot end, and about where it
// keeps the blobs of images, which Docker gives to nobody but as copies.
package containerd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imgbuild/device/internal/failure"
)

const (
	answerLimit = 16 << 20
	// patience with an answer: giving up a lease waits for the removal of all files that it kept.
	patience = 5 * time.Minute
)

// notFound is gRPC's code for what is not there (doc/statuscodes.md).
const notFound = "5"

var errNotFound = errors.New("containerd has no such thing")

// Client of one namespace of a containerd.
type Client struct {
	address   string
	namespace string
	patience  time.Duration
	http      *http.Client
}

// Connect makes a client for a containerd that listens at the path of a socket.
func Connect(address, namespace string) *Client {
	address = strings.TrimPrefix(address, "unix://")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", address)
	}
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{DialContext: dial, Protocols: &protocols}
	return &Client{address, namespace, patience, &http.Client{Transport: transport}}
}

// Close ends the connection.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends one message to a method (`leases.v1.Leases/List`) and returns the one that comes back: gRPC over HTTP/2
// (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md) without streams, compression or metadata.
func (c *Client) call(ctx context.Context, method string, message []byte) ([]byte, error) {
	limited, end := context.WithTimeoutCause(ctx, c.patience, fmt.Errorf("it has not answered for %s", c.patience))
	defer end()
	answer, err := c.exchange(limited, method, message)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		told := failure.Operation(fmt.Sprintf("asking containerd at %s for %s", c.address, method), err.Error(),
			"see whether containerd runs there")
		told.Err = err
		return nil, told
	}
	return answer, nil
}

func (c *Client) exchange(ctx context.Context, method string, message []byte) ([]byte, error) {
	framed := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	framed = append(framed, message...)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://containerd/containerd.services."+method, bytes.NewReader(framed))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("Te", "trailers")
	request.Header.Set("Containerd-Namespace", c.namespace)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit+1))
	if err != nil {
		return nil, err
	}
	// An answer without a message has its status in the header.
	status := response.Trailer
	if status.Get("Grpc-Status") == "" {
		status = response.Header
	}
	switch code := status.Get("Grpc-Status"); {
	case code == "":
		return nil, fmt.Errorf("what answers there is no containerd: %s", response.Status)
	case code != "0":
		told, err := url.PathUnescape(status.Get("Grpc-Message"))
		if err != nil {
			told = status.Get("Grpc-Message")
		}
		if code == notFound {
			return nil, fmt.Errorf("%w: %s (code %s)", errNotFound, told, code)
		}
		return nil, fmt.Errorf("%s (code %s)", told, code)
	case len(body) > answerLimit:
		return nil, errors.New("its answer is too long")
	case len(body) < 5 || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-5):
		return nil, errWire
	}
	return body[5:], nil
}
