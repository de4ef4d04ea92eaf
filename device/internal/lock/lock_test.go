package lock_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"imgbuild/device/internal/lock"
)

func TestOneAtATime(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "lock")
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				held, err := lock.Acquire(context.Background(), folder, lock.Options{Patience: time.Minute})
				if err != nil {
					t.Error(err)
					return
				}
				if now := inside.Add(1); now > most.Load() {
					most.Store(now)
				}
				time.Sleep(time.Millisecond)
				inside.Add(-1)
				held.Release()
			}
		})
	}
	group.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	if entries, _ := os.ReadDir(folder); len(entries) > 16 {
		t.Errorf("%d files are left", len(entries))
	}
}

func TestPatienceEnds(t *testing.T) {
	folder := t.TempDir()
	held, err := lock.Acquire(context.Background(), folder, lock.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	waited := 0
	_, err = lock.Acquire(context.Background(), folder, lock.Options{Patience: 20 * time.Millisecond, OnWait: func(pid int) { waited = pid }})
	if err == nil || !strings.Contains(err.Error(), "has held the lock") || waited != os.Getpid() {
		t.Errorf("got %v after a wait for %d", err, waited)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := lock.Acquire(ctx, folder, lock.Options{Patience: time.Hour}); err == nil {
		t.Error("a wait that was stopped")
	}
}

// A holder that is gone, and what a power cut makes of its file, hold nothing.
func TestHoldersThatAreGone(t *testing.T) {
	for name, text := range map[string]string{
		"released": "",
		"zeros":    "\x00\x00\x00\x00",
		"killed":   `{"pid":1,"started":"1","place":"` + place(t) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "7"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			held, err := lock.Acquire(context.Background(), folder, lock.Options{})
			if err != nil {
				t.Fatal(err)
			}
			held.Release()
		})
	}
	folder := t.TempDir()
	os.WriteFile(filepath.Join(folder, "7"), []byte(`{"pid":1,"started":"1","place":"another host"}`), 0o600)
	if _, err := lock.Acquire(context.Background(), folder, lock.Options{}); err == nil {
		t.Error("one of another place, which was heard of just now")
	}
}

func place(t *testing.T) string {
	t.Helper()
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		t.Skip(err)
	}
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Skip(err)
	}
	return strings.TrimSpace(string(boot)) + " " + namespace
}
