package update

import (
	"context"
	"fmt"
	"io"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/failure"
)

// outputLimit of a filesystem layer whose size the bundle does not say, in bytes.
const outputLimit = 64 << 30

func limitOf(layer *bundle.Layer) int64 {
	if layer.Size < 0 {
		return outputLimit
	}
	return layer.Size
}

// check reads all of the bundle that is needed, so that every byte of it is known to be good before anything is done with
// it, and compares what will be written with what there is room for.
func (a *application) check(ctx context.Context) error {
	if err := a.Budget.Check(); err != nil {
		return err
	}
	spool, store := int64(0), int64(0)
	for at := range a.plans {
		plan := &a.plans[at]
		if plan.present != nil {
			continue
		}
		var err error
		if plan.wanted, err = a.sources(plan.image); err != nil {
			return err
		}
		for at := range plan.image.Layers {
			layer := &plan.image.Layers[at]
			if layer.Kind == bundle.Reused {
				continue
			}
			if err := a.scan(ctx, layer, plan.wanted); err != nil {
				return err
			}
			size := layer.Size
			if size < 0 {
				size = layer.Blob.Size
				spool += size
			}
			store += size
		}
		spool += plan.wanted.bytes()
		if len(plan.sources) > 0 && len(missingByChain(a.info, plan.image, plan.sources[0])) > 0 {
			spool += plan.sources[0].Size
			store += plan.sources[0].Size
		}
	}
	return checkSpace(append([]need{{a.folder.Path, spool}}, loadingNeeds(a.info, store)...))
}

// sources of an image, as far as the bundle lists them.
func (a *application) sources(image *bundle.Image) (*wanted, error) {
	w, err := newWanted(a.bundle, image, a.Budget)
	if err != nil {
		return nil, failure.Input("reading the bundle "+a.bundle.Name, err.Error(), "make it with `imgbuild ota diff`, or fetch it again")
	}
	return w, nil
}

func (a *application) scan(ctx context.Context, layer *bundle.Layer, w *wanted) error {
	blob, err := a.bundle.Blob(layer.Blob)
	if err != nil {
		return err
	}
	blob = stoppable(ctx, blob)
	switch {
	case layer.Kind == bundle.Delta && layer.Blob.MediaType == layerdelta.MediaType:
		err = layerdelta.Scan(blob, w.ranges.Sources(), int64(a.Budget), limitOf(layer))
	case layer.Kind == bundle.Delta:
		codec, _ := a.Codecs.For(layer.Blob.MediaType, a.Budget)
		err = codec.Scan(blob, limitOf(layer), w.files.Want)
	}
	if err != nil {
		return a.unreadable(ctx, layer, err)
	}
	if _, err := io.Copy(io.Discard, blob); err != nil {
		return a.unreadable(ctx, layer, err)
	}
	return nil
}

func (a *application) unreadable(ctx context.Context, layer *bundle.Layer, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return failure.Input(fmt.Sprintf("reading the delta %s of %s", layer.Blob.Digest, a.bundle.Name), err.Error(),
		"make it with `imgbuild ota diff`, or fetch it again")
}
