package update_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

// blobDevices are devices with containerd's store, by what their bundles read of it.
func blobDevices() map[string]func(*testing.T) *device {
	return map[string]func(*testing.T) *device{
		"files by path": func(t *testing.T) *device { return newDevice(t, engine.Containerd) },
		"ranges":        func(t *testing.T) *device { return newLayerDevice(t, engine.Containerd, func(*sample.Target) {}) },
		"members": func(t *testing.T) *device {
			return newVectorDevice(t, engine.Containerd, "members", "packed.tar", "app.tar", func(target *sample.Target) { target.Needs = "2" })
		},
	}
}

// saved counts how often the engine is asked for a whole image.
func (d *device) saved() *int {
	saved := 0
	d.engine.Hook = func(method, path string) error {
		if strings.HasSuffix(path, "/get") {
			saved++
		}
		return nil
	}
	return &saved
}

func TestSourcesAreReadFromBlobs(t *testing.T) {
	for name, make := range blobDevices() {
		for form, put := range map[string]func(*device){
			"as they are": func(*device) {},
			"compressed": func(d *device) {
				d.engine.Client().Remove(t.Context(), "app:1")
				d.oneID = d.engine.PutPacked(d.one, "app:1")
			},
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				d := make(t)
				put(d)
				d.engine.PutBlobs(t)
				d.engine.Hook = func(method, path string) error {
					if strings.HasSuffix(path, "/get") {
						return errors.New("nothing is saved")
					}
					return nil
				}
				if _, err := d.apply(); err != nil {
					t.Fatal(err, d.log)
				}
				d.expectNew()
			})
		}
	}
}

func TestBlobsThatCannotBeReadAreLeftToTheEngine(t *testing.T) {
	read := func(d *device) oci.Digest { return oci.DigestOf(d.one.Layers[0]) }
	for name, spoil := range map[string]func(d *device, blobs string) error{
		"other bytes":    func(d *device, blobs string) error { return damage(blobs, read(d)) },
		"not there":      func(d *device, blobs string) error { return os.Remove(filepath.Join(blobs, read(d).Hex())) },
		"cut off":        func(d *device, blobs string) error { return os.Truncate(filepath.Join(blobs, read(d).Hex()), 1024) },
		"other manifest": func(d *device, blobs string) error { return damage(blobs, oci.Digest(d.oneID)) },
		"other config":   func(d *device, blobs string) error { return damage(blobs, oci.DigestOf(d.one.Config)) },
		"no folder":      func(d *device, blobs string) error { return os.RemoveAll(blobs) },
		"a link": func(d *device, blobs string) error {
			path := filepath.Join(blobs, read(d).Hex())
			if err := os.Rename(path, filepath.Join(d.root, "elsewhere")); err != nil {
				return err
			}
			return os.Symlink(filepath.Join(d.root, "elsewhere"), path)
		},
	} {
		for coding, make := range blobDevices() {
			t.Run(name+", "+coding, func(t *testing.T) {
				d := make(t)
				if err := spoil(d, d.engine.PutBlobs(t)); err != nil {
					t.Fatal(err)
				}
				saved := d.saved()
				if _, err := d.apply(); err != nil {
					t.Fatal(err)
				}
				if *saved != 1 {
					t.Errorf("%d times saved", *saved)
				}
				d.expectNew()
			})
		}
	}
}

// damage has another byte in the middle of a blob.
func damage(blobs string, digest oci.Digest) error {
	path := filepath.Join(blobs, digest.Hex())
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text[len(text)/2] ^= 1
	return os.WriteFile(path, text, 0o644)
}

// What no delta reads from is named as the old image names it, and not read.
func TestBlobsThatAreNotNeededAreNotRead(t *testing.T) {
	d := newLayerDevice(t, engine.Containerd, func(*sample.Target) {})
	unread := sample.Tar(sample.Entry{Name: "unread", Contents: sample.Noise(5000, 9)})
	d.one = sample.NewImage("1", append([][]byte{unread}, d.one.Layers...)...)
	made := d.two.Layers[1]
	d.two = sample.NewImage("2", append([][]byte{unread}, d.two.Layers...)...)
	d.engine.Client().Remove(t.Context(), "app:1")
	d.oneID = d.engine.Put(d.one, "app:1")
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Sources:     vectorFile(t, "updated.sources"),
		LayerDeltas: map[oci.Digest][]byte{oci.DigestOf(made): vectorFile(t, "updated.delta")}})
	if err := damage(d.engine.PutBlobs(t), oci.DigestOf(unread)); err != nil {
		t.Fatal(err)
	}
	saved := d.saved()
	if _, err := d.apply(); err != nil || *saved != 0 {
		t.Errorf("%d times saved, %v", *saved, err)
	}
	d.expectNew()
}

// An image may be named by an index, which names manifests of other platforms, too.
func TestBlobsOfAnIndex(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	other := sample.NewImage("other", sample.Tar(sample.Entry{Name: "other", Contents: []byte("other")}))
	d.oneID = d.engine.PutIndex("app:1", other, d.one)
	d.engine.PutBlobs(t)
	saved := d.saved()
	if _, err := d.apply(); err != nil || *saved != 0 {
		t.Errorf("%d times saved, %v", *saved, err)
	}
	d.expectNew()
}

// What the engine unpacks anew, above another filesystem layer than before, is read: an altered one shows before the engine tries.
func TestAlteredBlobsThatTheEngineWouldUnpack(t *testing.T) {
	d := newLayerDevice(t, engine.Containerd, func(*sample.Target) {})
	above := sample.Tar(sample.Entry{Name: "above", Contents: sample.Noise(5000, 9)})
	d.one = sample.NewImage("1", append(d.one.Layers, above)...)
	made := d.two.Layers[1]
	d.two = sample.NewImage("2", append(d.two.Layers, above)...)
	d.engine.Client().Remove(t.Context(), "app:1")
	d.oneID = d.engine.Put(d.one, "app:1")
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Sources:     vectorFile(t, "updated.sources"),
		LayerDeltas: map[oci.Digest][]byte{oci.DigestOf(made): vectorFile(t, "updated.delta")}})
	if err := damage(d.engine.PutBlobs(t), oci.DigestOf(above)); err != nil {
		t.Fatal(err)
	}
	saved := d.saved()
	if _, err := d.apply(); err != nil || *saved != 1 {
		t.Errorf("%d times saved, %v", *saved, err)
	}
	d.expectNew()
}

// Between hash and use the engine's own file may change: that is no fault of the bundle, and no image comes out.
func TestBlobsThatChangeAfterTheyWereHashed(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"cut off": func(path string) error { return os.Truncate(path, 512) },
		"zeroed": func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			file, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer file.Close()
			_, err = file.Write(make([]byte, info.Size()))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newLayerDevice(t, engine.Containerd, func(*sample.Target) {})
			blobs := d.engine.PutBlobs(t)
			updater := d.updater()
			updater.Log = func(format string, _ ...any) {
				if !strings.HasPrefix(format, "read the source image") {
					return
				}
				if err := change(filepath.Join(blobs, oci.DigestOf(d.one.Layers[0]).Hex())); err != nil {
					t.Error(err)
				}
			}
			_, err := updater.Apply(t.Context(), d.open(d.bytes))
			var told *failure.Failure
			if !errors.As(err, &told) || told.Input || !errors.Is(err, update.ErrSource) || !strings.Contains(told.Fix, "the source image was altered") {
				t.Errorf("got %v", err)
			}
			d.expectOld()
		})
	}
}
