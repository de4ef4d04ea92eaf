package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/channel"
	"imgbuild/device/internal/config"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/fetch"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/signature"
	"imgbuild/device/internal/state"
	"imgbuild/device/internal/tardiff"
	"imgbuild/device/internal/update"
)

// patience is how long another update of the same project is waited for: restart and health check included.
const patience = 10 * time.Minute

var codecs = delta.Codecs{tardiff.MediaType: tardiff.New}

// session is a call with what it works on.
type session struct {
	*call
	*update.Updater
	config  *config.Config
	in      io.Reader
	out     io.Writer
	keyring *signature.Keyring
}

func (c *call) do(ctx context.Context, in io.Reader, out, errs io.Writer) error {
	read, err := c.configuration()
	if err != nil {
		return err
	}
	client, err := engine.Connect(cmp.Or(c.docker, os.Getenv("DOCKER_HOST"), engine.DefaultAddress()))
	if err != nil {
		return err
	}
	s := &session{call: c, config: read, in: in, out: out, Updater: &update.Updater{
		Engine: client, State: c.state, Codecs: codecs, Budget: c.budget, Keep: read.Keep, Patience: patience,
		Service: func(project string) update.Service { return serviceOf(read, project) },
		Packages: func(project string) update.Policy {
			return cmp.Or(update.Policy(read.Project(project).Packages), update.InstalledPackages)
		},
		Log: func(format string, arguments ...any) { fmt.Fprintf(errs, format+"\n", arguments...) },
	}}
	switch c.command {
	case "apply":
		return s.apply(ctx)
	case "update":
		return s.update(ctx)
	case "verify":
		return s.verify(ctx)
	case "status":
		return s.status(ctx)
	case "rollback":
		name, err := s.project()
		if err != nil {
			return err
		}
		return s.tell(s.Rollback(ctx, name))
	case "resume":
		return s.resume(ctx)
	default:
		return s.prune(ctx)
	}
}

func (s *session) apply(ctx context.Context) error {
	b, file, err := s.open(ctx, s.arguments[0])
	if err != nil {
		return err
	}
	defer file.Close()
	return s.tell(s.Apply(ctx, b))
}

// open brings a bundle here and judges its signature before anything else of it is looked at.
func (s *session) open(ctx context.Context, name string) (*bundle.Bundle, *os.File, error) {
	if err := s.readKeyring(); err != nil {
		return nil, nil, err
	}
	check := func(r io.Reader) error {
		index, signed, err := bundle.ReadHead(r, name)
		if err != nil {
			return err
		}
		return s.judge(index, signed, name)
	}
	var file *os.File
	var err error
	switch {
	case name == "-":
		name = "from standard input"
		file, err = fetch.Stream(s.in, s.state, check)
	case fetch.IsURL(name):
		file, err = fetch.Download(ctx, name, s.state, check, s.Log)
		name = "from " + fetch.Redacted(name)
	default:
		if file, err = os.Open(name); errors.Is(err, os.ErrNotExist) {
			err = failure.Input("opening "+name, "there is no such file", "check the path")
		}
	}
	if err != nil {
		return nil, nil, failure.During("opening "+name, err)
	}
	b, err := bundle.Open(file, name)
	if err == nil {
		// Also of what was judged on its way: these are the bytes that count.
		err = s.judge(b.Index, b.Signature, name)
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return b, file, nil
}

func (s *session) readKeyring() (err error) {
	if !s.allowUnsigned {
		s.keyring, err = signature.ReadKeyring(s.config.Keyring)
	}
	return err
}

func (s *session) judge(index, signed []byte, name string) error {
	if s.allowUnsigned {
		return nil
	}
	_, err := s.keyring.Verify(index, signed, name)
	return err
}

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

func (s *session) tell(result *update.Result, err error) error {
	if err != nil {
		return err
	}
	if s.json {
		return s.print(struct {
			Schema int `json:"schema"`
			*update.Result
		}{1, result})
	}
	switch result.Outcome {
	case update.Updated:
		fmt.Fprintf(s.out, "%s: %s runs now\n", result.Name, result.Version)
	case update.Cleaned:
		fmt.Fprintf(s.out, "%s: what an interrupted update left is gone\n", result.Name)
	default:
		fmt.Fprintf(s.out, "%s: nothing to do\n", result.Name)
	}
	return nil
}

func (s *session) print(value any) error {
	encoder := json.NewEncoder(s.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// project that the call names, or the only one.
func (s *session) project() (string, error) {
	if len(s.arguments) > 0 {
		return s.arguments[0], nil
	}
	names, err := state.Names(s.state)
	if err != nil {
		return "", err
	}
	if len(names) != 1 {
		return "", failure.Input("looking for the project", fmt.Sprintf("%s has %d of them", s.state, len(names)),
			"name one: `imgbuild-ota "+s.command+" NAME`")
	}
	return names[0], nil
}

// projects that the call is about: the one that it names, or all.
func (s *session) projects() ([]string, error) {
	if len(s.arguments) > 0 {
		return s.arguments, nil
	}
	return state.Names(s.state)
}

func (s *session) resume(ctx context.Context) error {
	names, err := s.projects()
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, s.tell(s.Resume(ctx, name)))
	}
	return errors.Join(failed...)
}

func (s *session) prune(ctx context.Context) error {
	names, err := s.projects()
	if err != nil {
		return err
	}
	keep := s.keep
	if keep == 0 {
		keep = s.config.Keep
	}
	type pruned struct {
		Name    string   `json:"name"`
		Removed []string `json:"removed"`
	}
	report := []pruned{}
	var failed []error
	for _, name := range names {
		removed, err := s.Prune(ctx, name, keep)
		failed = append(failed, err)
		report = append(report, pruned{name, append([]string{}, removed...)})
		for _, version := range removed {
			if !s.json {
				fmt.Fprintf(s.out, "%s: %s removed\n", name, version)
			}
		}
	}
	if s.json {
		failed = append(failed, s.print(map[string]any{"schema": 1, "projects": report}))
	}
	return errors.Join(failed...)
}

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
