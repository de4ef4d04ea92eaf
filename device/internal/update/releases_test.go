package update_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/sample"
)

// A tag that moves, such as latest: the old image keeps a name, and gets its own back.
func TestMovingTag(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.oneID = d.engine.Put(d.one, "app:1", "app:latest")
		d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:latest"})
		d.health["2.0.0"] = 1
		if _, err := d.apply(); err == nil || d.engine.Tagged("app:latest") != d.oneID {
			t.Errorf("after a failed check: %v, latest is %s", err, d.engine.Tagged("app:latest"))
		}
		d.health = map[string]int{}
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		newID := d.engine.Tagged("app:latest")
		if newID == d.oneID {
			t.Error("latest has not moved")
		}
		if got := d.engine.Tagged("imgbuild.invalid/app:kept-" + d.oneID[7:19]); got != d.oneID {
			t.Errorf("the old image is called %q", got)
		}
		result, err := d.updater().Rollback(context.Background(), "ccai")
		if err != nil || result.Version != "1.0.0" {
			t.Fatalf("%+v, %v", result, err)
		}
		if d.current() != "" {
			t.Errorf("current is %s; the packaged release had none", d.current())
		}
		if result, err = d.updater().Rollback(context.Background(), "ccai"); err != nil || result.Version != "2.0.0" {
			t.Fatalf("back again: %+v, %v", result, err)
		}
		if got := d.engine.Tagged("app:latest"); got != newID {
			t.Errorf("latest is %s", got)
		}
	})
}

func TestRollbackToNothing(t *testing.T) {
	d := newDevice(t, engine.Classic)
	if _, err := d.updater().Rollback(context.Background(), "ccai"); err == nil || !strings.Contains(err.Error(), "no older release") {
		t.Errorf("got %v", err)
	}
}

func TestPrune(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		three := sample.NewImage("3", d.two.Layers...)
		d.bytes = sample.Bundle("ccai", "2.0.0", "3.0.0", nil, sample.Target{From: d.two, To: three, Reference: "app:3"})
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		// Two releases are kept: the oldest went when the newest had proven itself.
		if d.engine.Tagged("app:1") != "" || d.engine.Tagged("app:2") == "" || len(d.engine.IDs()) != 2 {
			t.Errorf("the images are %v", d.engine.IDs())
		}
		removed, err := d.updater().Prune(context.Background(), "ccai", 1)
		if err != nil || !slices.Equal(removed, []string{"2.0.0"}) {
			t.Errorf("removed %v, %v", removed, err)
		}
		if ids := d.engine.IDs(); len(ids) != 1 || d.engine.Tagged("app:3") != ids[0] {
			t.Errorf("the images are %v", ids)
		}
		status, err := d.updater().Status(context.Background(), "ccai")
		if err != nil || status.Version != "3.0.0" || status.Previous != "" || !slices.Equal(status.Kept, []string{"3.0.0"}) {
			t.Errorf("%+v, %v", status, err)
		}
	})
}

// An image that somebody gave a name of their own stays.
func TestPruneLeavesForeignNames(t *testing.T) {
	d := newDevice(t, engine.Classic)
	if _, err := d.apply(); err != nil {
		t.Fatal(err)
	}
	d.engine.Put(d.one, "mine:1")
	if _, err := d.updater().Prune(context.Background(), "ccai", 1); err != nil {
		t.Fatal(err)
	}
	if d.engine.Tagged("mine:1") != d.oneID {
		t.Error("it is gone")
	}
}
