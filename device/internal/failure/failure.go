// Package failure holds the error that is meant for people: what was being done, why it failed, what to do next.
// Anything else that reaches the command line is a defect of the program.
package failure

import (
	"errors"
	"fmt"
)

// Failure tells what was being done, on what, the cause, and the next step.
type Failure struct {
	// Doing: "reading the bundle /tmp/a.ota.tar".
	Doing string
	// Because is one sentence without a final period.
	Because string
	Fix     string
	// Input says that the call, the configuration or a file that was given is wrong (exit 2), not the device (exit 1).
	Input bool
	Err   error
}

func (f *Failure) Error() string { return f.Doing + ": " + f.Because }

func (f *Failure) Unwrap() error { return f.Err }

// Operation is a Failure of the device: what was asked could not be done.
func Operation(doing, because, fix string) *Failure {
	return &Failure{Doing: doing, Because: because, Fix: fix}
}

// Input is a Failure of what was given.
func Input(doing, because, fix string) *Failure {
	return &Failure{Doing: doing, Because: because, Fix: fix, Input: true}
}

// During names what was being done when err came; an error that is a Failure already stays what it is.
func During(doing string, err error) error {
	if err == nil {
		return nil
	}
	var told *Failure
	if errors.As(err, &told) {
		return err
	}
	return &Failure{Doing: doing, Because: err.Error(), Err: err}
}

// Bytes renders a size for people, in decimal units.
func Bytes(size int64) string {
	switch {
	case size < 1000:
		return fmt.Sprintf("%d bytes", size)
	case size < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(size)/1e3)
	case size < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(size)/1e6)
	default:
		return fmt.Sprintf("%.1f GB", float64(size)/1e9)
	}
}
