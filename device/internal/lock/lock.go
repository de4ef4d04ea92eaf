// Package lock keeps two updates of one project apart, those of the Node program on the same host too.
//
// A lock is a folder of numbered files that are made by link(2) and never taken over: who finds the highest number
// released (empty) or its owner gone makes the next number, which only one can; who then sees a higher one than his own
// came too late.
package lock

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"imgbuild/device/internal/failure"
)

const (
	// A holder elsewhere (another container on the same folder) is taken for gone after this long without a beat.
	silence = time.Minute
	beat    = 15 * time.Second
	// The last few numbers stay: a listing that runs meanwhile must see at least one that is higher than a late one.
	kept = 8
)

// Lock is held until Release.
type Lock struct {
	path string
	stop chan struct{}
}

// Options of a wait.
type Options struct {
	Patience time.Duration
	// OnWait is called once, with the holder's process id, when there is somebody to wait for.
	OnWait func(pid int)
}

// Acquire waits until nobody holds the lock of folder.
func Acquire(ctx context.Context, folder string, options Options) (*Lock, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(options.Patience)
	told := false
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		highest, err := highestOf(folder)
		if err != nil {
			return nil, err
		}
		holder, held, err := holderOf(folder, highest)
		if err != nil {
			return nil, err
		}
		if !held {
			lock, err := take(folder, highest+1)
			if lock != nil || err != nil {
				return lock, err
			}
			continue
		}
		if time.Now().After(deadline) {
			return nil, failure.Operation("locking "+folder,
				fmt.Sprintf("process %d has held the lock for %s", holder, options.Patience),
				"wait for that update, or end that process if it hangs")
		}
		if !told && holder != 0 && options.OnWait != nil {
			told = true
			options.OnWait(holder)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// take makes a number; nil when somebody else was faster.
func take(folder string, number int) (*Lock, error) {
	ticket, err := os.CreateTemp(folder, strconv.Itoa(os.Getpid())+"-*")
	if err != nil {
		return nil, err
	}
	defer os.Remove(ticket.Name())
	encoded, err := json.Marshal(self())
	if err == nil {
		_, err = ticket.Write(encoded)
	}
	if err = errors.Join(err, ticket.Close()); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, strconv.Itoa(number))
	if err := os.Link(ticket.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil, nil
		}
		return nil, err
	}
	now, err := numbers(folder)
	if err != nil {
		return nil, err
	}
	if now[len(now)-1] != number {
		return nil, os.Remove(path)
	}
	for _, old := range now[:max(0, len(now)-kept)] {
		os.Remove(filepath.Join(folder, strconv.Itoa(old)))
	}
	lock := &Lock{path, make(chan struct{})}
	go lock.live()
	return lock, nil
}

func (l *Lock) live() {
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			os.Chtimes(l.path, now, now)
		}
	}
}

// Release lets the next one in.
func (l *Lock) Release() {
	close(l.stop)
	os.Truncate(l.path, 0)
}

func numbers(folder string) ([]int, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var found []int
	for _, entry := range entries {
		if number, err := strconv.Atoi(entry.Name()); err == nil && number > 0 {
			found = append(found, number)
		}
	}
	slices.Sort(found)
	return found, nil
}

func highestOf(folder string) (int, error) {
	found, err := numbers(folder)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[len(found)-1], nil
}

// holderOf tells who holds that number, if anybody does.
func holderOf(folder string, number int) (pid int, held bool, err error) {
	if number == 0 {
		return 0, false, nil
	}
	path := filepath.Join(folder, strconv.Itoa(number))
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, true, nil // removed meanwhile by the holder of a higher number: look again
	}
	if err != nil {
		return 0, false, err
	}
	var owner process
	if json.Unmarshal(text, &owner) != nil {
		return 0, false, nil // released; or zeros after a power cut: nobody who runs wrote this
	}
	if owner.Place == self().Place {
		return owner.PID, owner.runs(), nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return owner.PID, true, nil
	}
	return owner.PID, time.Since(info.ModTime()) < silence, nil
}
