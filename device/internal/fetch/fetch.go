// Package fetch brings a bundle onto the device: from a server, going on where it broke off, or from a stream.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/failure"
)

// reserve is what stays free on the disk, in bytes, whatever is sent.
const reserve = 64 << 20

// Check judges the beginning of what is sent before the rest is taken. It reads as much as it needs.
type Check func(r io.Reader) error

// Stream copies a stream into a file without a name below folder.
func Stream(r io.Reader, folder string, check Check) (*os.File, error) {
	file, err := temporary(folder)
	if err != nil {
		return nil, err
	}
	limited := &roomy{file: file, folder: folder}
	if err = check(io.TeeReader(r, limited)); err == nil {
		_, err = io.Copy(limited, r)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func temporary(folder string) (*os.File, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(folder, ".download-*")
	if err != nil {
		return nil, err
	}
	return file, os.Remove(file.Name())
}

// roomy stops writing before the disk is full.
type roomy struct {
	file    *os.File
	folder  string
	unasked int64
}

func (d *roomy) Write(p []byte) (int, error) {
	if d.unasked -= int64(len(p)); d.unasked < 0 {
		free, _, err := durable.Space(d.folder)
		if err != nil {
			return 0, err
		}
		if free < reserve+int64(len(p)) {
			return 0, failure.Operation("storing what is sent", fmt.Sprintf("%s are left on the disk of %s, of which %s must stay",
				failure.Bytes(free), d.folder, failure.Bytes(reserve)), "make room, and try again")
		}
		d.unasked = reserve / 8
	}
	return d.file.Write(p)
}

// Attempts to go on without a single new byte in between, and the wait before each, which doubles.
const attempts = 6

var firstWait = 500 * time.Millisecond

// stall is how long a server may send nothing.
const stall = time.Minute

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

// IsURL tells an address from a file name.
func IsURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}

// Download fetches an address into a file without a name below folder. A connection that breaks off is taken up again
// where it was, as long as the server still has the same file.
func Download(ctx context.Context, address, folder string, check Check, note func(format string, arguments ...any)) (*os.File, error) {
	file, err := temporary(folder)
	if err != nil {
		return nil, err
	}
	d := newDownload(ctx, address, folder, note)
	defer d.close()
	limited := &roomy{file: file, folder: folder}
	if err = check(io.TeeReader(d, limited)); err == nil {
		_, err = io.Copy(limited, d)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// download reads an address from its first byte to its last, over as many connections as that takes.
type download struct {
	ctx     context.Context
	address string
	name    string
	folder  string
	note    func(string, ...any)
	// known is the size that the file must have, -1 where any will do. What is known is verified afterwards: parts may come
	// from a server that does not say which file it has.
	known int64
	// restart forgets what came, where a server sends all of it again; nil where that cannot be.
	restart func() error

	body  io.ReadCloser
	timer *time.Timer
	// validator tells one version of the file from another: a strong ETag or a date.
	validator string
	position  int64
	total     int64
	// token that the server's token service gave; it may expire between two connections.
	token string
	// furthest position so far: only what comes behind it makes attempts count anew.
	furthest int64
	failures int
}

func newDownload(ctx context.Context, address, folder string, note func(string, ...any)) *download {
	return &download{ctx: ctx, address: address, name: Redacted(address), folder: folder, note: note, known: -1}
}

func (d *download) Read(p []byte) (int, error) {
	for {
		if d.known >= 0 {
			if d.position >= d.known {
				return 0, io.EOF
			}
			p = p[:min(int64(len(p)), d.known-d.position)]
		}
		if d.body == nil {
			if err := d.connect(); err != nil {
				if err = d.again(err); err != nil {
					return 0, err
				}
				continue
			}
		}
		d.timer.Reset(stall)
		n, err := d.body.Read(p)
		d.position += int64(n)
		if n > 0 {
			if d.position > d.furthest {
				d.furthest, d.failures = d.position, 0
			}
			return n, nil
		}
		if err == nil {
			continue
		}
		if err == io.EOF && (d.total < 0 || d.position >= d.total) {
			return 0, io.EOF
		}
		d.close()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err = d.again(err); err != nil {
			return 0, err
		}
	}
}

func (d *download) close() {
	if d.body != nil {
		d.body.Close()
		d.timer.Stop()
		d.body = nil
	}
}

// final is an error that another attempt does not mend.
type final struct{ error }

func (f final) Unwrap() error { return f.error }

// again waits for the next attempt, or tells why there is none.
func (d *download) again(err error) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	var told final
	if errors.As(err, &told) {
		return told.error
	}
	d.failures++
	if d.failures == attempts || d.position > 0 && d.validator == "" && d.restart == nil {
		return failure.Operation("downloading "+d.name, reason(err), "see whether the device has a network, and try again")
	}
	wait := firstWait << (d.failures - 1)
	d.note("the download broke off at %s: %s; going on in %s", failure.Bytes(d.position), reason(err), wait)
	select {
	case <-d.ctx.Done():
		return context.Cause(d.ctx)
	case <-time.After(wait):
		return nil
	}
}

// reason leaves the address out of an error: it may hold a token.
func reason(err error) string {
	var told *url.Error
	if errors.As(err, &told) {
		return told.Err.Error()
	}
	return err.Error()
}

// Redacted is an address for messages: without what may be secret in it.
func Redacted(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the given address"
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return parsed.String()
}

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

// room tells before the download when it cannot fit.
func (d *download) room() error {
	if d.folder == "" {
		return nil
	}
	free, _, err := durable.Space(d.folder)
	if err != nil || d.total < 0 || free >= d.total+reserve {
		return err
	}
	return final{failure.Operation("downloading "+d.name, fmt.Sprintf("it has %s, and %s are free on the disk of %s",
		failure.Bytes(d.total), failure.Bytes(free), d.folder), "make room, and try again")}
}
