package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"imgbuild/device/internal/failure"
)

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
			return failure.Operation("pulling "+reference+" ("+c.String()+")", message.Error, "see what it says")
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
			return "", failure.Operation("loading an image ("+c.String()+")", message.Error, "see what it says")
		}
		if text := strings.TrimSpace(message.Stream); text != "" {
			said = append(said, text)
		}
	}
}
