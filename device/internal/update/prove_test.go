package update_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

// archiveOf images, as an OCI layout names their blobs; which is what decides is their digests alone.
func archiveOf(t *testing.T, images ...*sample.Image) *update.Archive {
	entries := []sample.Entry{{Name: "oci-layout", Contents: []byte(oci.LayoutMarker)}}
	seen := map[oci.Digest]bool{}
	for _, image := range images {
		for _, blob := range append(slices.Clone(image.Layers), image.Config, image.Manifest) {
			if digest := oci.DigestOf(blob); !seen[digest] {
				seen[digest] = true
				entries = append(entries, sample.Entry{Name: "blobs/sha256/" + digest.Hex(), Contents: blob})
			}
		}
	}
	return &update.Archive{Name: "old.tar", File: bytes.NewReader(sample.Tar(entries...)), Temporary: t.TempDir()}
}

func TestProve(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	other := sample.NewImage("other", sample.Tar(sample.Entry{Name: "a", Contents: []byte("a")}))
	report, err := d.updater().Verify(context.Background(), d.open(d.bytes), archiveOf(t, other, d.one), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Images[0].Applied || report.Images[0].Config != oci.DigestOf(d.two.Config) {
		t.Errorf("%+v", report)
	}
	if report, err := d.updater().Verify(context.Background(), d.open(d.bytes), nil, nil); err != nil || report.Images[0].Applied {
		t.Errorf("without an archive: %+v, %v", report, err)
	}
	d.expectOld()

	layers := newLayerDevice(t, engine.Containerd, func(*sample.Target) {})
	if _, err := layers.updater().Verify(context.Background(), layers.open(layers.bytes), archiveOf(t, layers.one), nil); err != nil {
		t.Error(err)
	}
	packed := newVectorDevice(t, engine.Containerd, "members", "packed.tar", "app.tar", func(*sample.Target) {})
	if _, err := packed.updater().Verify(context.Background(), packed.open(packed.bytes), archiveOf(t, packed.one), nil); err != nil {
		t.Error(err)
	}
}

// A hard link is asked for, and what it links to only shows once it has been found.
func TestProveLinks(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	contents := sample.Noise(2000, 5)
	old := sample.Tar(sample.Entry{Name: "a", Contents: contents}, sample.Entry{Name: "b", Link: "a"})
	target := sample.Tar(sample.Entry{Name: "c", Contents: contents})
	ops := &sample.Operations{}
	ops.Data(target[:512]).Open("b").Copy(2000).Data(target[512+2000:])
	one, two := sample.NewImage("1", old), sample.NewImage("2", target)
	d.bytes = sample.Bundle("ccai", "1", "2", nil, sample.Target{From: one, To: two, Reference: "app:2",
		Deltas: map[oci.Digest][]byte{oci.DigestOf(target): ops.TarDiff()}})
	if _, err := d.updater().Verify(context.Background(), d.open(d.bytes), archiveOf(t, one), nil); err != nil {
		t.Error(err)
	}
}

func TestProveFromNothing(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	d.bytes = sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: d.two, Reference: "app:2"})
	if _, err := d.updater().Verify(context.Background(), d.open(d.bytes), archiveOf(t), nil); err != nil {
		t.Error(err)
	}
}

func TestNotProven(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	altered := &sample.Image{Config: d.one.Config, Manifest: d.one.Manifest,
		Layers: [][]byte{d.one.Layers[0], bytes.Replace(d.one.Layers[1], []byte("app/model"), []byte("app/madel"), 1)}}
	lacking := &sample.Image{Config: d.one.Config, Manifest: d.one.Manifest, Layers: d.one.Layers[1:]}
	// What it makes is another file than the config says.
	wrong := &sample.Operations{}
	moved := d.two.Layers[1]
	wrong.Data(moved[:512]).Open("app/model").Copy(299_999).Data([]byte{0}).Data(moved[512+300_000:])
	wrongBytes := sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Deltas: map[oci.Digest][]byte{oci.DigestOf(moved): wrong.TarDiff()}})
	cut := archiveOf(t, d.one)
	whole := new(bytes.Buffer)
	whole.ReadFrom(cut.File.(*bytes.Reader))
	cut.File = bytes.NewReader(whole.Bytes()[:100_000])
	for _, each := range []struct {
		because string
		bundle  []byte
		archive *update.Archive
	}{
		{"holds no image", d.bytes, archiveOf(t, d.two)},
		{"was altered", d.bytes, archiveOf(t, altered)},
		{"was altered", d.bytes, archiveOf(t, lacking)},
		{"has the digest", wrongBytes, archiveOf(t, d.one)},
		{"damaged", d.bytes, cut},
		{"no archive of images", d.bytes, &update.Archive{Name: "old.tar", File: strings.NewReader(strings.Repeat("x", 2000)), Temporary: t.TempDir()}},
	} {
		_, err := d.updater().Verify(context.Background(), d.open(each.bundle), each.archive, nil)
		if err == nil || !strings.Contains(err.Error(), each.because) || strings.Contains(err.Error(), "Docker") {
			t.Errorf("got %v, want %q", err, each.because)
		}
	}
}
