package update_test

import (
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

func newWholeOnly(t *testing.T) *device {
	d := newDevice(t, engine.Podman)
	d.engine.WholeOnly = true
	return d
}

func (d *device) expectWhole() {
	d.Helper()
	if !slices.ContainsFunc(d.log, func(line string) bool { return strings.Contains(line, "sending all of them") }) {
		d.Errorf("not all filesystem layers were sent: %q", d.log)
	}
}

func TestPodmanThatTakesWholeArchivesOnly(t *testing.T) {
	d := newWholeOnly(t)
	if _, err := d.apply(); err != nil {
		t.Fatal(err)
	}
	d.expectNew()
	d.expectWhole()
}

// No file of the source is read until the archive is refused.
func TestWholeArchiveOfAnAlteredSource(t *testing.T) {
	d := newWholeOnly(t)
	d.two = sample.NewImage("2", d.one.Layers[0], d.one.Layers[1], d.two.Layers[2])
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2"})
	d.engine.Alter(oci.DigestOf(d.one.Layers[1]))
	if _, err := d.apply(); err == nil || !strings.Contains(err.Error(), "it was altered") {
		t.Errorf("got %v", err)
	}
	d.expectOld()
	d.expectWhole()
}

func TestPodmanKeepsTheOldImageThatHasNoName(t *testing.T) {
	d := newDevice(t, engine.Podman)
	d.engine.Unname("app:1")
	d.two = sample.NewImage("2", d.one.Layers[0], d.one.Layers[1], d.two.Layers[2])
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2"})
	d.health["2.0.0"] = 1
	if _, err := d.apply(); err == nil || !strings.Contains(err.Error(), "does not work") {
		t.Errorf("got %v", err)
	}
	if !slices.Contains(d.engine.IDs(), d.oneID) {
		t.Error("the old image is gone")
	}
}
