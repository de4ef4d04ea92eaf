package update

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Service is what runs a project's images. Commands are argument vectors; empty ones are not run.
type Service struct {
	// Restart starts the release that `current` names.
	Restart []string
	// HealthCheck exits with 0 while the service works.
	HealthCheck []string
	// HealthyFor is how long the check must succeed without a break.
	HealthyFor time.Duration
	// Timeout is when it must have.
	Timeout time.Duration
	// Interval between two checks; a second where it is 0.
	Interval time.Duration
}

const (
	commandTimeout = 5 * time.Minute
	// lastCheck is how long a check that began in time may take.
	lastCheck = 30 * time.Second
)

// prove restarts the service and tells why the release that is in place does not work; nil when it does.
func (u *Updater) prove(ctx context.Context, service Service) error {
	if len(service.Restart) > 0 {
		u.Log("restarting: %s", strings.Join(service.Restart, " "))
		limited, cancel := context.WithTimeout(ctx, commandTimeout)
		defer cancel()
		if err := run(limited, service.Restart); err != nil {
			return fmt.Errorf("restarting failed: %w", err)
		}
	}
	if len(service.HealthCheck) == 0 {
		return nil
	}
	u.Log("checking health: %s", strings.Join(service.HealthCheck, " "))
	return service.waitForHealth(ctx)
}

func (s Service) waitForHealth(ctx context.Context) error {
	deadline := time.Now().Add(s.Timeout)
	interval := s.Interval
	if interval == 0 {
		interval = time.Second
	}
	var since time.Time
	last := errors.New("it was never asked")
	for {
		limited, cancel := context.WithDeadline(ctx, deadline.Add(lastCheck))
		err := run(limited, s.HealthCheck)
		cancel()
		now := time.Now()
		switch {
		case err != nil:
			since, last = time.Time{}, err
		case since.IsZero():
			since = now
			fallthrough
		default:
			if now.Sub(since) >= s.HealthyFor {
				return nil
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if now.After(deadline) {
			if !since.IsZero() {
				last = fmt.Errorf("it has succeeded for %s, and must for %s",
					now.Sub(since).Round(time.Second), s.HealthyFor)
			}
			return fmt.Errorf("the health check failed for %s: %w", s.Timeout, last)
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

// run starts a program and tells its last line when it fails.
func run(ctx context.Context, command []string) error {
	program := exec.CommandContext(ctx, command[0], command[1:]...)
	program.WaitDelay = time.Second
	var said tail
	program.Stdout, program.Stderr = &said, &said
	err := program.Run()
	if err == nil {
		return nil
	}
	if line := said.lastLine(); line != "" {
		return fmt.Errorf("%w: %s", err, line)
	}
	return err
}

// tail keeps the end of what a program says.
type tail struct{ kept []byte }

const tailSize = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if len(t.kept) > 2*tailSize {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) lastLine() string {
	text := bytes.TrimSpace(t.kept)
	if at := bytes.LastIndexByte(text, '\n'); at >= 0 {
		text = text[at+1:]
	}
	return string(text)
}
