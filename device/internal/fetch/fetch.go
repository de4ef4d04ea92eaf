// Package fetch brings a bundle onto the device: from a server, going on where it broke off, or from a stream.
package fetch

import (
	"context"
	"io"
	"net/url"
	"os"
	"strings"
)

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

// Redacted is an address for messages: without what may be secret in it.
func Redacted(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the given address"
	}
	parsed.User, parsed.RawQuery, parsed.Fragment = nil, "", ""
	return parsed.String()
}
