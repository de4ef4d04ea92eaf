package dpkg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"imgbuild/device/internal/durable"
	"imgbuild/device/internal/failure"
)

// deconfigure what a package breaks, until its own new version is there in the same call.
const deconfigure = "--auto-deconfigure"

// patience with the scripts of packages.
const patience = 30 * time.Minute

// Install packages from files, those that need each other in one call, over a higher version, too. Settings that somebody has
// changed stay as they are, and nobody is asked anything.
func (s System) Install(ctx context.Context, files []string) error {
	return s.run(ctx, "installing packages", append([]string{"--force-confdef", "--force-confold", "--force-downgrade", deconfigure,
		"--install"}, files...)...)
}

// Remove packages by their names; their settings stay. What depends on them is the caller's concern, as it is apt's: other
// versions of it may only be installed once these are gone.
func (s System) Remove(ctx context.Context, names []string) error {
	return s.run(ctx, "removing packages", append([]string{"--force-depends", "--remove"}, names...)...)
}

// Configure what was interrupted.
func (s System) Configure(ctx context.Context) error {
	return s.run(ctx, "configuring packages", "--force-confdef", "--force-confold", "--configure", "--pending")
}

// Sync what dpkg and the scripts of packages wrote to its disk.
func (s System) Sync() error {
	for _, folder := range []string{s.path("/"), s.path("usr"), s.path("opt"), s.admin("")} {
		if err := durable.SyncFileSystem(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ErrBusy is what Lock fails with while others have the lock.
var ErrBusy = errors.New("another program works on the packages of this device")

// Lock keeps apt and others away until it is released, as they keep each other away (dpkg's frontend lock). It waits for them,
// and fails with ErrBusy when they have not ended by then.
func (s System) Lock(ctx context.Context, patience time.Duration, onWait func()) (release func(), err error) {
	file, err := os.OpenFile(s.admin("lock-frontend"), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		return nil, failure.During("locking dpkg's database", err)
	}
	until := time.Now().Add(patience)
	for waited := false; ; waited = true {
		lock := unix.Flock_t{Type: unix.F_WRLCK, Whence: 0}
		err := unix.FcntlFlock(file.Fd(), unix.F_SETLK, &lock)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) || time.Now().After(until) {
			file.Close()
			told := failure.Operation("locking dpkg's database", ErrBusy.Error(), "try again later, when it has ended")
			told.Err = ErrBusy
			return nil, told
		}
		if !waited {
			onWait()
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// run dpkg to its end, also where somebody wants this program to stop: what it has begun it should end.
func (s System) run(ctx context.Context, doing string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := s.ask(ctx, doing, "dpkg", arguments...)
	return err
}

// ask a program of dpkg's, and return what it prints.
func (s System) ask(ctx context.Context, doing, name string, arguments ...string) (string, error) {
	if s.Root != "" && name == "dpkg" {
		arguments = append([]string{"--root=" + s.Root}, arguments...)
	}
	program := exec.CommandContext(ctx, name, arguments...)
	program.WaitDelay = time.Second
	// Its own group: what stops this program by a key does not stop it half-way.
	program.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	program.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "DPKG_FRONTEND_LOCKED=true",
		// Without these dpkg refuses to begin, and not every service manager has them.
		"PATH="+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin")
	var out, errs bytes.Buffer
	program.Stdout, program.Stderr = &out, &errs
	err := program.Run()
	// A process that a script has left in the background may have the pipes as long as it likes: dpkg itself has succeeded.
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return out.String(), nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", failure.Operation(doing, "there is no program "+name, "install dpkg, or write `packages = none` into the configuration")
	}
	told := failure.Operation(doing, complaint(errs.String(), err), "see /var/log/dpkg.log, and `dpkg --audit`")
	told.Err = err
	return "", told
}

// complaintLimit is how many bytes of what dpkg says are told.
const complaintLimit = 1000

// complaint is what dpkg says, without what it says of each package and of all together.
func complaint(text string, err error) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "", strings.HasPrefix(line, "dpkg: error processing package"), strings.HasPrefix(line, "dependency problems - leaving"):
		case strings.HasPrefix(line, "Errors were encountered"):
			return shortened(lines, err)
		default:
			lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(line, "dpkg: "), "error: "))
		}
	}
	return shortened(lines, err)
}

func shortened(lines []string, err error) string {
	text := strings.Join(lines, " ")
	if text == "" {
		return fmt.Sprintf("dpkg ended with %s", err)
	}
	return text[:min(len(text), complaintLimit)]
}
