package update

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/state"
)

// way is the cheapest of those that have not been tried; nil where there is none.
func (f *followed) way() *channel.Way {
	without := func(d *channel.Delta) bool { return f.tried[d.File] || d.Needs > layerdelta.Version }
	return f.document.Cheapest(f.platform, f.from, without, !f.pulled && !f.packaged)
}

// travel cheapest way that works.
func (f *followed) travel(ctx context.Context, info *engine.Info) (*Result, error) {
	if f.kept != nil {
		journal := &state.Journal{Bundle: f.document.Digest, To: *f.kept}
		if f.running != nil {
			journal.From = *f.running
		} else if current, err := f.folder.Current(); err != nil {
			return nil, err
		} else {
			journal.From.Current, journal.From.Version = current, f.installed
		}
		return f.moveTo(ctx, f.folder, info, journal)
	}
	reasons := f.passed
	for _, each := range reasons {
		f.Log("%s; looking for another way", each)
	}
	for {
		way := f.way()
		if way == nil {
			return nil, f.noWay(reasons)
		}
		if err := f.clean(way); err != nil {
			return nil, err
		}
		result, err := f.try(ctx, info, way)
		if err == nil {
			return result, f.clean(nil)
		}
		var other *otherWay
		if ctx.Err() != nil || !errors.As(err, &other) {
			return nil, err
		}
		f.Log("%s; looking for another way", other)
		reasons = append(reasons, other.error)
		if other.file == "" {
			f.pulled = true
		} else {
			f.tried[other.file] = true
		}
	}
}

// otherWay is the error of a file, or of a pull, that another way may do without.
type otherWay struct {
	error
	file string
}

func (o *otherWay) Unwrap() error { return o.error }

func (f *followed) noWay(reasons []error) error {
	doing := fmt.Sprintf("updating %s to %s", f.folder.Name, f.document.Version)
	if len(reasons) > 0 {
		var because []string
		for _, each := range reasons {
			because = append(because, each.Error())
		}
		return failure.Operation(doing, strings.Join(because, "; "), "see what each of them says, and try again")
	}
	has := "this device has no release of it"
	if f.installed != "" {
		has = "this device has " + f.installed
	}
	if slices.ContainsFunc(f.document.Deltas, func(d channel.Delta) bool { return d.Needs > layerdelta.Version }) {
		return failure.Operation(doing, fmt.Sprintf("%s, and the deltas that may lead from there need a newer imgbuild-ota", has),
			"install a newer imgbuild-ota")
	}
	return failure.Operation(doing, fmt.Sprintf("%s, and no delta or image of the channel %s for %s leads from there", has,
		f.document.Channel, f.platform), "apply a bundle that starts from nothing, and see `imgbuild promote`")
}

func (f *followed) try(ctx context.Context, info *engine.Info, way *channel.Way) (*Result, error) {
	if len(way.Deltas) == 0 {
		result, err := f.pull(ctx, f.folder, info, f.document, way.Pull)
		if errors.Is(err, errPull) {
			err = &otherWay{err, ""}
		}
		return result, err
	}
	var row []*bundle.Bundle
	for _, each := range way.Deltas {
		b, file, err := f.download(ctx, each)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		row = append(row, b)
	}
	result, err := f.applyRow(ctx, f.folder, info, row)
	var told *failure.Failure
	var step *stepError
	if errors.As(err, &step) && (errors.Is(err, errSource) || errors.As(err, &told) && told.Input) {
		err = &otherWay{err, way.Deltas[step.at].File}
	}
	return result, err
}
