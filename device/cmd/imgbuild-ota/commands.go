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

	"imgbuild/device/internal/config"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
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
