package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imgbuild/device/internal/failure"
)

// redirects are followed so many times at most.
const redirects = 10

var client = &http.Client{CheckRedirect: func(request *http.Request, via []*http.Request) error {
	because := ""
	switch {
	case len(via) > redirects:
		because = "the server sends from one address to the next without an end"
	case via[0].URL.Scheme == "https" && request.URL.Scheme != "https":
		because = "the server sends to " + Redacted(request.URL.String()) + ", which is not encrypted"
	default:
		// net/http sends it on to another port, and to a host whose name ends alike.
		if request.URL.Host != via[0].URL.Host {
			request.Header.Del("Authorization")
		}
		return nil
	}
	return final{failure.Operation("downloading "+Redacted(via[0].URL.String()), because, "see how the server is set up")}
}}

func (d *download) connect() error {
	ctx, cancel := context.WithCancelCause(d.ctx)
	d.timer = time.AfterFunc(stall, func() { cancel(errors.New("the server sends nothing")) })
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address, nil)
	if err != nil {
		return final{failure.Input("downloading "+d.name, "it is no address", "give https://HOST/PATH")}
	}
	// What is asked for is the file as it is: positions count its bytes.
	request.Header.Set("Accept-Encoding", "identity")
	if d.position > 0 {
		request.Header.Set("Range", "bytes="+strconv.FormatInt(d.position, 10)+"-")
		if d.validator != "" {
			request.Header.Set("If-Range", d.validator)
		}
	}
	response, err := d.send(request)
	if err != nil {
		d.timer.Stop()
		return err
	}
	if err := d.accept(response); err != nil {
		d.timer.Stop()
		response.Body.Close()
		return err
	}
	d.body = response.Body
	return nil
}

// send asks once more with a token where the server wants one that everybody gets.
func (d *download) send(request *http.Request) (*http.Response, error) {
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	response, err := client.Do(request)
	if err != nil || response.StatusCode != http.StatusUnauthorized || response.Request.URL.Host != request.URL.Host {
		return response, err
	}
	token, err := anonymous(request.Context(), response)
	if err == nil && token == "" {
		return response, nil
	}
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	d.token = token
	request.Header.Set("Authorization", "Bearer "+token)
	return client.Do(request)
}

func (d *download) accept(response *http.Response) error {
	refuse := func(because string) error {
		return final{failure.Operation("downloading "+d.name, because, "check the address, and try again")}
	}
	if response.StatusCode == http.StatusOK && d.position > 0 && d.restart != nil {
		d.note("%s sends all of it again", d.name)
		if err := d.restart(); err != nil {
			return final{err}
		}
		d.position = 0
	}
	switch {
	case response.StatusCode == http.StatusOK && d.position == 0:
		d.total = response.ContentLength
		d.validator = response.Header.Get("ETag")
		if d.validator == "" || strings.HasPrefix(d.validator, "W/") {
			d.validator = response.Header.Get("Last-Modified")
		}
		if d.known >= 0 && d.total >= 0 && d.total != d.known {
			return refuse(fmt.Sprintf("the server has a file of %d bytes, not of %d", d.total, d.known))
		}
		d.total = max(d.total, d.known)
		return d.room()
	case response.StatusCode == http.StatusPartialContent && d.position > 0:
		from := fmt.Sprintf("bytes %d-", d.position)
		if !strings.HasPrefix(response.Header.Get("Content-Range"), from) {
			return refuse("the server sends another part than was asked for")
		}
		_, total, _ := strings.Cut(response.Header.Get("Content-Range"), "/")
		if size, err := strconv.ParseInt(total, 10, 64); err == nil && d.known >= 0 && size != d.known {
			return refuse(fmt.Sprintf("the server has a file of %d bytes, not of %d", size, d.known))
		}
		d.total = max(d.total, d.known)
		return nil
	case response.StatusCode == http.StatusOK:
		return refuse("the file on the server has changed meanwhile, or it sends no parts")
	case response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("the server answered %s", response.Status)
	default:
		return refuse("the server answered " + response.Status)
	}
}
