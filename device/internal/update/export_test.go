package update

import (
	"context"

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
