package update

import (
	"context"
	"errors"
	"fmt"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
)

/*
A power cut during a load leaves what neither Docker nor containerd notices: filesystem layers that count as unpacked,
with files that are empty, since their bytes had not come to the disk. The next load of the same filesystem layers takes
them as they are. So the state folder says since when something is not synced; where that was before the last start of
the machine, what is loaded has to show its bytes.
*/

// errDamaged is the error of an image whose files are not what its filesystem layers hold.
var errDamaged = errors.New("files of it are not what they should be")

// proveBytes reads every file of a loaded image from where containers get it.
func (a *application) proveBytes(ctx context.Context, id string) error {
	image, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if image == nil {
		return errDamaged
	}
	a.Log("a power cut came while images were loaded: reading all of %s", short(id))
	expected := newExpectedTree(a.Budget.Sources())
	found, err := a.read(ctx, image, expected, nil, a.folder.Path)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	found.close()
	if a.info.Store != engine.Containerd {
		return nil // that was read from the very files that containers get
	}
	exported, err := a.Engine.Export(ctx, id)
	if err != nil {
		return err
	}
	defer exported.Close()
	return expected.compare(exported)
}

// loadTrusted is load, and again where what came out was there before, damaged.
func (a *application) loadTrusted(ctx context.Context, load func() (string, error)) (string, error) {
	var leases leases
	for tries := 1; ; tries++ {
		id, err := load()
		if err == nil && a.distrust {
			err = a.proveBytes(ctx, id)
		}
		if !errors.Is(err, errDamaged) {
			return id, err
		}
		a.Log("%s; removing it", err)
		if removed := a.removeDamaged(ctx, id, &leases); removed != nil {
			return "", removed
		}
		if tries == 3 {
			return "", failure.Operation("loading the new image",
				"Docker keeps filesystem layers that a power cut has damaged, and does not unpack them anew",
				"remove images and containers that share them, restart Docker, and apply the bundle again")
		}
	}
}

func (a *application) removeDamaged(ctx context.Context, id string, leases *leases) error {
	image, err := a.Engine.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if err := a.Engine.Remove(ctx, id); err != nil {
		return err
	}
	if image == nil || a.info.Store != engine.Containerd {
		return nil
	}
	ended, err := leases.end(ctx, a.Engine, a.info.Below, image.DiffIDs)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		a.Log("%s", err) // there need not be any
	}
	if ended > 0 {
		a.Log("containerd kept it for what the power cut ended: %s given up", plural(ended, "lease"))
	}
	return nil
}
