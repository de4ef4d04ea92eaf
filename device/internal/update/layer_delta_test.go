package update_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/delta/layerdelta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/enginetest"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

func vectorFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../test/delta/layer-delta/vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newLayerDevice is a device with the filesystem layers of the vectors, and a bundle that makes another of them.
func newLayerDevice(t *testing.T, store engine.Store, change func(*sample.Target)) *device {
	return newVectorDevice(t, store, "updated", "base.tar", "app.tar", change)
}

func newVectorDevice(t *testing.T, store engine.Store, vector, lower, upper string, change func(*sample.Target)) *device {
	d := &device{T: t, engine: enginetest.Start(t, store), root: t.TempDir(), health: map[string]int{}}
	base, app := vectorFile(t, lower), vectorFile(t, upper)
	sourcesText, delta := vectorFile(t, vector+".sources"), vectorFile(t, vector+".delta")
	sources, err := layerdelta.ReadSources(bytes.NewReader(sourcesText))
	if err != nil {
		t.Fatal(err)
	}
	var old []byte
	for _, layer := range sources.Layers {
		tar := map[oci.Digest][]byte{oci.DigestOf(base): base, oci.DigestOf(app): app}[layer.DiffID]
		for _, each := range layer.Ranges {
			old = append(old, tar[each.Start:each.Start+each.Size]...)
		}
	}
	ranges := bytes.NewReader(old)
	for _, each := range sources.Members {
		var plain bytes.Buffer
		if err := layerdelta.Unpack(&plain, ranges, each); err != nil {
			t.Fatal(err)
		}
		old = append(old, plain.Bytes()...)
	}
	var made bytes.Buffer
	if err := layerdelta.Rebuild(&made, bytes.NewReader(delta), bytes.NewReader(old), sources, int64(memory.Default)); err != nil {
		t.Fatal(err)
	}
	d.one = sample.NewImage("1", base, app)
	d.two = sample.NewImage("2", base, made.Bytes())
	d.oneID = d.engine.Put(d.one, "app:1")
	target := sample.Target{From: d.one, To: d.two, Reference: "app:2", Sources: sourcesText,
		LayerDeltas: map[oci.Digest][]byte{oci.DigestOf(made.Bytes()): delta}}
	change(&target)
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, target)
	return d
}

func TestLayerDelta(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newLayerDevice(t, store, func(*sample.Target) {})
		if report, err := d.updater().Verify(context.Background(), d.open(d.bytes), nil, nil); err != nil || report.Images[0].Ranges == 0 {
			t.Errorf("%+v, %v", report, err)
		}
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

func TestLayerDeltaWithMembers(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newVectorDevice(t, store, "members", "packed.tar", "app.tar", func(target *sample.Target) { target.Needs = "2" })
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

func TestLayerDeltaRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for because, change := range map[string]func(*sample.Target){
			"there are no sources": func(target *sample.Target) { target.Sources = nil },
			"list of sources": func(target *sample.Target) {
				target.Sources = append(bytes.Clone(target.Sources), 0)
			},
			"it needs a program that reads version 9": func(target *sample.Target) { target.Needs = "9" },
			"and the sources have":                    func(target *sample.Target) { target.Sources = vectorFile(t, "times.sources") },
			"larger than the bundle says": func(target *sample.Target) {
				target.Sizes = map[oci.Digest]string{}
				for id := range target.LayerDeltas {
					target.Sizes[id] = "10"
				}
			},
			"reading the delta": func(target *sample.Target) {
				for id, delta := range target.LayerDeltas {
					target.LayerDeltas[id] = delta[:len(delta)-1]
				}
			},
		} {
			d := newLayerDevice(t, store, change)
			if _, err := d.apply(); err == nil || !strings.Contains(err.Error(), because) {
				t.Errorf("got %v, want %q", err, because)
			}
			d.expectOld()
		}
		d := newLayerDevice(t, store, func(*sample.Target) {})
		d.engine.Alter(oci.DigestOf(d.one.Layers[0]))
		if _, err := d.apply(); err == nil || !strings.Contains(err.Error(), "it was altered") {
			t.Errorf("got %v", err)
		}
		d.expectOld()
	})
}
