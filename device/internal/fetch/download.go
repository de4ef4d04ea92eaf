package fetch

import (
	"context"
	"errors"
	"io"
	"net/url"
	"time"

	"imgbuild/device/internal/failure"
)

// Attempts to go on without a single new byte in between, and the wait before each, which doubles.
const attempts = 6

var firstWait = 500 * time.Millisecond

// stall is how long a server may send nothing.
const stall = time.Minute

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
