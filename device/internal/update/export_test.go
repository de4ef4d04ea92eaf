package update

import (
	"context"
	"io"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/state"
)

// ApplyRow puts the release of the last of several bundles in place.
func (u *Updater) ApplyRow(ctx context.Context, row ...*bundle.Bundle) error {
	_, err := u.locked(ctx, "ccai", func(folder *state.Folder) (*Result, error) {
		info, err := u.Engine.Info(ctx)
		if err != nil {
			return nil, err
		}
		return u.applyRow(ctx, folder, info, row)
	})
	return err
}

// ErrSource is of a source image that cannot be used.
var ErrSource = errSource

// ErrDamaged is of an image whose files are not what they should be.
var ErrDamaged = errDamaged

// NewExpectedTree of so many entries at most.
var NewExpectedTree = newExpectedTree

// Compare a tree with the tar of one.
func (t *expectedTree) Compare(exported io.Reader) error { return t.compare(exported) }

// IsOfContainer tells leases that Docker takes for containers.
var IsOfContainer = isOfContainer

var EngineFolders = engineFolders

var WhileFlushing = whileFlushing

const FlushPause = flushPause
