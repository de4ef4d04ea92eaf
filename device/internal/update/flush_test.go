package update_test

import (
	"errors"
	"testing"
	"time"

	"imgbuild/device/internal/update"
)

func TestWhileFlushing(t *testing.T) {
	ready := make(chan struct{})
	flushes := make(chan struct{}, 100)
	flush := func() error { flushes <- struct{}{}; return nil }
	err := update.WhileFlushing(ready, flush, func() error {
		select {
		case <-flushes:
			t.Error("it flushed what was not ready")
		case <-time.After(3 * update.FlushPause):
		}
		close(ready)
		<-flushes
		<-flushes
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	refused, failed := errors.New("the disk refused it"), errors.New("it failed")
	tried := make(chan struct{})
	err = update.WhileFlushing(ready, func() error { close(tried); return refused }, func() error { <-tried; return failed })
	if !errors.Is(err, refused) || !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if err := update.WhileFlushing(make(chan struct{}), flush, func() error { return nil }); err != nil {
		t.Error(err)
	}
}
