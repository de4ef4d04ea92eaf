package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/update"
)

// update asks the channel of each project that follows one, or of the one that the call names.
func (s *session) update(ctx context.Context) error {
	following := s.config.Following()
	if len(s.arguments) > 0 {
		if !slices.Contains(following, s.arguments[0]) {
			return failure.Input("looking for the channel of "+s.arguments[0], "the configuration names no url below ["+s.arguments[0]+"]",
				"write url and channel there")
		}
		following = s.arguments
	}
	if len(following) == 0 {
		if !s.json {
			fmt.Fprintln(s.out, "no project follows a channel")
			return nil
		}
		return s.print(map[string]any{"schema": 1, "projects": []any{}})
	}
	if err := s.readKeyring(); err != nil {
		return err
	}
	var outlooks []*update.Outlook
	var failed []error
	for _, name := range following {
		project := s.config.Project(name)
		follow := update.Follow{URLs: project.URLs, Channel: project.Channel, Judge: s.judge, Back: s.back, Again: s.again}
		if !s.check {
			err := s.tell(s.FollowChannel(ctx, name, follow))
			failed = append(failed, s.noted(name, err, len(following)))
			continue
		}
		outlook, err := s.Check(ctx, name, follow)
		if err != nil {
			failed = append(failed, s.noted(name, err, len(following)))
			continue
		}
		outlooks = append(outlooks, outlook)
		if !s.json {
			printOutlook(s.out, outlook)
		}
	}
	if s.check && s.json {
		failed = append(failed, s.print(map[string]any{"schema": 1, "projects": append([]*update.Outlook{}, outlooks...)}))
	}
	return errors.Join(failed...)
}

// noted where there are several: only one of the errors is told at the end.
func (s *session) noted(name string, err error, projects int) error {
	if err != nil && projects > 1 {
		s.Log("%s: %s", name, err)
	}
	return err
}

func printOutlook(out io.Writer, o *update.Outlook) {
	installed := o.Installed
	if installed == "" {
		installed = "no release that is known"
	}
	fmt.Fprintf(out, "%s: %s; the channel %s stands on %s (number %d, until %s)\n", o.Name, installed, o.Channel, o.Version,
		o.Sequence, o.Expires.Format("2006-01-02"))
	switch {
	case o.Way == nil:
		fmt.Fprintf(out, "  nothing to do: %s\n", o.Because)
	case o.Way.Kind == "kept":
		fmt.Fprintf(out, "  it is still there from before\n")
	default:
		fmt.Fprintf(out, "  %s: %s\n", map[string]string{"delta": "one delta", "deltas": fmt.Sprintf("%d deltas", len(o.Way.Files)),
			"full": "a full bundle", "pull": "a pull"}[o.Way.Kind], failure.Bytes(o.Way.Size))
	}
	if o.Warning != "" {
		fmt.Fprintf(out, "  warning: %s\n", o.Warning)
	}
}
