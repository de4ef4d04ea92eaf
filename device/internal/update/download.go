package update

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/fetch"
)

// downloads is where files lie until they are applied.
func (f *followed) downloads() string { return filepath.Join(f.folder.Path, "downloads") }

// clean removes downloads that no way needs any more.
func (f *followed) clean(needed *channel.Way) error {
	entries, err := os.ReadDir(f.downloads())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	left := 0
	for _, entry := range entries {
		if needed != nil && slices.ContainsFunc(needed.Deltas, func(d *channel.Delta) bool { return d.SHA256 == entry.Name() }) {
			left++
			continue
		}
		if err := os.RemoveAll(filepath.Join(f.downloads(), entry.Name())); err != nil {
			return err
		}
	}
	if left == 0 {
		return os.Remove(f.downloads())
	}
	return nil
}

// download a bundle, and see that it is the one that the channel means.
func (f *followed) download(ctx context.Context, d *channel.Delta) (*bundle.Bundle, *os.File, error) {
	f.Log("downloading %s: %s", d.File, failure.Bytes(d.Size))
	known := fetch.Known{Addresses: f.document.Addresses(d), Size: d.Size, SHA256: d.SHA256}
	file, err := known.Fetch(ctx, f.downloads(), f.Log)
	if err != nil {
		return nil, nil, &otherWay{err, d.File}
	}
	b, err := f.open(file, d)
	if err != nil {
		file.Close()
		return nil, nil, &otherWay{err, d.File}
	}
	return b, file, nil
}

func (f *followed) open(file *os.File, d *channel.Delta) (*bundle.Bundle, error) {
	b, err := bundle.Open(file, d.File)
	if err != nil {
		return nil, err
	}
	if err := f.Judge(b.Index, b.Signature, d.File); err != nil {
		return nil, err
	}
	images, err := f.Images(b)
	if err != nil {
		return nil, err
	}
	if name, to := projectOf(images), versionOf(images); name != f.folder.Name || to != d.To {
		return nil, failure.Input("reading the bundle "+d.File, fmt.Sprintf("it is for %s of %s, not for %s of %s", to, name, d.To,
			f.folder.Name), "see how the channel was made")
	}
	return b, nil
}
