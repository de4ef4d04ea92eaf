package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"imgbuild/device/internal/update"
)

func (s *session) status(ctx context.Context) error {
	names, err := s.projects()
	if err != nil {
		return err
	}
	found := []*update.Status{}
	for _, name := range names {
		status, err := s.Status(ctx, name)
		if err != nil {
			return err
		}
		found = append(found, status)
	}
	if s.json {
		return s.print(map[string]any{"schema": 1, "projects": found})
	}
	for _, each := range found {
		printStatus(s.out, each)
	}
	return nil
}

func printStatus(out io.Writer, status *update.Status) {
	version := status.Version
	if version == "" {
		version = "no update in place"
	}
	fmt.Fprintf(out, "%s: %s\n", status.Name, version)
	for _, image := range status.Images {
		there := "missing"
		if image.Present {
			there = image.ID
		}
		fmt.Fprintf(out, "  image     %s: %s\n", image.Name, there)
	}
	for _, each := range status.Packages {
		there := "as it should be"
		switch {
		case each.Installed == each.Version:
		case each.Installed == "":
			there = "missing"
		default:
			there = each.Installed + " is here"
		}
		fmt.Fprintf(out, "  package   %s %s: %s\n", each.Name, each.Version, there)
	}
	if status.Previous != "" {
		fmt.Fprintf(out, "  rollback  %s\n", status.Previous)
	}
	for _, each := range status.Channels {
		fmt.Fprintf(out, "  channel   %s: %s, number %d, until %s\n", each.Name, each.Version, each.Sequence,
			each.Expires.Format(time.DateOnly))
		if each.Left {
			fmt.Fprintf(out, "  left      this device went back from %s\n", each.Version)
		}
		if each.Warning != "" {
			fmt.Fprintf(out, "  warning   %s\n", each.Warning)
		}
	}
	if status.Interrupted != nil {
		fmt.Fprintf(out, "  interrupted while %s %s: `imgbuild-ota resume`\n", status.Interrupted.Step, status.Interrupted.To)
	}
}
