package main

import (
	"context"
	"fmt"
	"os"

	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/update"
)

func (s *session) verify(ctx context.Context) error {
	b, file, err := s.open(ctx, s.arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	var archive *update.Archive
	if s.from != "" {
		images, err := os.Open(s.from)
		if err != nil {
			return failure.Input("opening "+s.from, "it cannot be read", "name what `docker save` has written")
		}
		defer images.Close()
		archive = &update.Archive{Name: s.from, File: images, Temporary: os.TempDir()}
	}
	var old *update.OldPackages
	if s.packages != "" {
		old = &update.OldPackages{Folder: s.packages, Temporary: os.TempDir()}
	}
	report, err := s.Verify(ctx, b, archive, old)
	if err != nil {
		return err
	}
	if s.json {
		return s.print(report)
	}
	fmt.Fprintf(s.out, "%s is good: %s, %s\n", s.arguments[0], report.Name, failure.Bytes(b.Size))
	for _, image := range report.Images {
		reads := fmt.Sprintf("%d old files", image.Reads)
		if image.Ranges > 0 {
			reads = failure.Bytes(image.RangeBytes) + " of old filesystem layers"
		}
		fmt.Fprintf(s.out, "  %s %s: makes %s of filesystem layers, reads %s\n", image.Reference, image.Config,
			failure.Bytes(image.Writes), reads)
		if image.Applied {
			fmt.Fprintf(s.out, "    applied to the image %s of %s, and compared\n", orNone(image.Source), s.from)
		}
	}
	for _, each := range report.Packages {
		carried := "on the device already"
		if each.Carried {
			carried = failure.Bytes(each.Bytes)
		}
		if each.From != "" {
			carried += ", made from the installed files of " + each.From
		}
		if each.Applied {
			carried += ": applied to those of it in " + s.packages + ", and compared"
		}
		fmt.Fprintf(s.out, "  package %s %s: %s\n", each.Name, each.Version, carried)
	}
	return nil
}

func orNone(source oci.Digest) string {
	if source == "" {
		return channel.None
	}
	return string(source)
}
