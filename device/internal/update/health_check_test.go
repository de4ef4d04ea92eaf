package update_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
)

func TestFailedHealthCheck(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.health["2.0.0"] = 3
		_, err := d.apply()
		var told *failure.Failure
		if !errors.As(err, &told) || told.Input || !strings.Contains(err.Error(), "2.0.0 is broken); 1.0.0 is back") {
			t.Errorf("got %v", err)
		}
		d.expectOld()
		if got := d.restarted(); got != 2 {
			t.Errorf("restarted %d times", got)
		}
		// What made it fail is mended.
		d.health = map[string]int{}
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

// The container of a release that does not work may still be there when the old one is back.
func TestDiscardedWhileInUse(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.health["2.0.0"] = 1
		var letGo func()
		d.engine.Hook = func(method, path string) error {
			if id := d.engine.Tagged("app:2"); id != "" && letGo == nil {
				letGo = d.engine.Hold(id)
			}
			return nil
		}
		if _, err := d.apply(); err == nil {
			t.Fatal("it should not work")
		}
		if len(d.engine.IDs()) != 2 {
			t.Fatalf("the images are %v", d.engine.IDs())
		}
		letGo()
		if _, err := d.updater().Prune(context.Background(), "ccai", 1); err != nil {
			t.Fatal(err)
		}
		if ids := d.engine.IDs(); !slices.Equal(ids, []string{d.oneID}) || d.engine.Tagged("app:2") != "" {
			t.Errorf("the images are %v", ids)
		}
	})
}
