package update_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

func TestApply(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		result, err := d.apply()
		if err != nil || result.Outcome != update.Updated || result.Version != "2.0.0" {
			t.Fatalf("%+v, %v", result, err)
		}
		d.expectNew()
		if got := d.restarted(); got != 1 {
			t.Errorf("restarted %d times", got)
		}
		again, err := d.apply()
		if err != nil || again.Outcome != update.Unchanged || d.restarted() != 1 {
			t.Errorf("again: %+v, %v, restarted %d times", again, err, d.restarted())
		}
		d.expectNew()
	})
}

func TestFromNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.bytes = sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: d.two, Reference: "app:2"})
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

// A bundle of the public tool says neither the source's filesystem layers nor any size.
func TestForeignBundle(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		moved := d.two.Layers[1]
		ops := &sample.Operations{}
		ops.Data(moved[:512]).Open("app/model").Copy(300_000).Data(moved[512+300_000:])
		d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
			Plain: true, Deltas: map[oci.Digest][]byte{oci.DigestOf(moved): ops.TarDiff()},
			Sizes: map[oci.Digest]string{oci.DigestOf(moved): "", oci.DigestOf(d.two.Layers[2]): ""}})
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

func TestKnownLayerOnNewOne(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.two = sample.NewImage("2", d.two.Layers[2], d.one.Layers[0], d.one.Layers[1])
		d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2"})
		if _, err := d.apply(); err != nil {
			t.Fatal(err)
		}
		d.expectNew()
	})
}

func TestRefused(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		cases := []struct {
			name    string
			alter   func(d *device)
			because string
		}{
			{"wrong source image", func(d *device) {
				ctx := context.Background()
				d.engine.Client().Remove(ctx, "app:1")
				d.oneID = d.engine.Put(sample.NewImage("1", d.two.Layers[2]), "app:1")
			}, "from which it starts"},
			{"source file altered on the device", func(d *device) { d.engine.Alter(oci.DigestOf(d.one.Layers[1])) }, "it was altered"},
			{"a delta that makes something else", func(d *device) { d.delta((&sample.Operations{}).Data(make([]byte, len(d.two.Layers[1])))) },
				"what came out has the digest"},
			{"a delta that makes too little", func(d *device) { d.delta((&sample.Operations{}).Data([]byte("x"))) }, "digest"},
			{"a delta that makes too much", func(d *device) {
				d.delta((&sample.Operations{}).Data(make([]byte, len(d.two.Layers[1])+1)))
			}, "larger than the bundle says"},
			{"path escape", func(d *device) { d.delta((&sample.Operations{}).Open("../../etc/shadow").Copy(1)) }, "reads from the path"},
			{"a file that the source lacks", func(d *device) { d.delta((&sample.Operations{}).Open("etc/shadow").Copy(1)) }, "no such file"},
			{"a disk that is too small", func(d *device) { d.sized("900000000000000") }, "are needed on the disk"},
			{"a name that leaves the folder", func(d *device) {
				d.bytes = sample.Bundle("../x", "1", "2", nil, sample.Target{From: d.one, To: d.two})
			}, "other characters"},
		}
		for _, each := range cases {
			t.Run(each.name, func(t *testing.T) {
				d := newDevice(t, store)
				each.alter(d)
				_, err := d.apply()
				if err == nil || !strings.Contains(err.Error(), each.because) {
					t.Errorf("got %v, want %q", err, each.because)
				}
				d.expectOld()
			})
		}
	})
}

// delta replaces the one that makes the moved filesystem layer.
func (d *device) delta(ops *sample.Operations) {
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Deltas: map[oci.Digest][]byte{oci.DigestOf(d.two.Layers[1]): ops.TarDiff()}})
}

func (d *device) sized(size string) {
	moved := d.two.Layers[1]
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Deltas: map[oci.Digest][]byte{oci.DigestOf(moved): (&sample.Operations{}).Data(moved).TarDiff()},
		Sizes:  map[oci.Digest]string{oci.DigestOf(moved): size}})
}

func TestTwoAppliersAtOnce(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		d.service() // written once
		outcomes := make(chan string, 3)
		for range 3 {
			go func() {
				u := d.updater()
				u.Log = func(string, ...any) {}
				result, err := u.Apply(context.Background(), d.open(d.bytes))
				if err != nil {
					outcomes <- err.Error()
					return
				}
				outcomes <- string(result.Outcome)
			}()
		}
		got := []string{<-outcomes, <-outcomes, <-outcomes}
		slices.Sort(got)
		if !slices.Equal(got, []string{"unchanged", "unchanged", "updated"}) {
			t.Errorf("got %v", got)
		}
		d.expectNew()
	})
}
