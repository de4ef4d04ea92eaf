package update_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/bundle"
	"imgbuild/device/internal/delta"
	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/enginetest"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/tardiff"
	"imgbuild/device/internal/update"
)

// A device with release 1, and the bundle to release 2, whose base is reused, whose app is a delta, whose top is new.
type device struct {
	*testing.T
	engine *enginetest.Engine
	root   string
	// health is the exit code of the check, by the version that `current` names; 0 where it is not listed.
	health map[string]int
	log    []string

	one, two *sample.Image
	oneID    string
	bytes    []byte
}

func newDevice(t *testing.T, store engine.Store) *device {
	d := &device{T: t, engine: enginetest.Start(t, store), root: t.TempDir(), health: map[string]int{}}
	base := sample.Tar(sample.Entry{Name: "lib/base", Contents: sample.Noise(5000, 1)})
	old := sample.Tar(sample.Entry{Name: "app/model", Contents: sample.Noise(300_000, 2)})
	top := sample.Tar(sample.Entry{Name: "etc/conf", Contents: []byte("workers: 4")})
	moved := sample.Tar(sample.Entry{Name: "srv/model", Contents: sample.Noise(300_000, 2)})
	d.one = sample.NewImage("1", base, old)
	d.two = sample.NewImage("2", base, moved, top)
	d.oneID = d.engine.Put(d.one, "app:1")
	ops := &sample.Operations{}
	ops.Data(moved[:512]).Open("app/model").Copy(300_000).Data(moved[512+300_000:])
	d.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: d.one, To: d.two, Reference: "app:2",
		Deltas: map[oci.Digest][]byte{oci.DigestOf(moved): ops.TarDiff()}})
	return d
}

func (d *device) updater() *update.Updater {
	return &update.Updater{
		Engine: d.engine.Client(), State: d.root, Codecs: delta.Codecs{tardiff.MediaType: tardiff.New},
		Budget: memory.Default, Keep: 2, Patience: time.Minute,
		Service: func(project string) update.Service { return d.service() },
		Log:     func(format string, arguments ...any) { d.log = append(d.log, fmt.Sprintf(format, arguments...)) },
	}
}

// service asks a script, as a device would, which looks at what `current` says.
func (d *device) service() update.Service {
	script := "#!/bin/sh\nset -eu\n"
	script += "version=$(sed -n 's/.*\"version\":\"\\([^\"]*\\)\".*/\\1/p' '" + filepath.Join(d.root, "ccai/current") + "' 2>/dev/null) || version=\n"
	for version, code := range d.health {
		script += fmt.Sprintf("[ \"$version\" != '%s' ] || { echo '%s is broken'; exit %d; }\n", version, version, code)
	}
	check := filepath.Join(d.root, "check.sh")
	if err := os.WriteFile(check, []byte(script), 0o755); err != nil {
		d.Fatal(err)
	}
	timeout := time.Minute
	if len(d.health) > 0 {
		timeout = 200 * time.Millisecond
	}
	return update.Service{
		Restart:     []string{"/bin/sh", "-c", "echo restart >> " + filepath.Join(d.root, "restarts")},
		HealthCheck: []string{"/bin/sh", check},
		Timeout:     timeout, Interval: 10 * time.Millisecond,
	}
}

func (d *device) open(text []byte) *bundle.Bundle {
	d.Helper()
	b, err := bundle.New(bytes.NewReader(text), int64(len(text)), "new.ota.tar")
	if err != nil {
		d.Fatal(err)
	}
	return b
}

func (d *device) apply() (*update.Result, error) {
	d.Helper()
	return d.updater().Apply(context.Background(), d.open(d.bytes))
}

func (d *device) current() string {
	d.Helper()
	text, err := os.ReadFile(filepath.Join(d.root, "ccai/current"))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		d.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (d *device) restarted() int {
	text, _ := os.ReadFile(filepath.Join(d.root, "restarts"))
	return strings.Count(string(text), "\n")
}

func (d *device) left() []string {
	d.Helper()
	entries, err := os.ReadDir(filepath.Join(d.root, "ccai"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		d.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func (d *device) expectNew() {
	d.Helper()
	image, err := d.engine.Client().Inspect(context.Background(), "app:2")
	if err != nil || image == nil || !slices.Equal(image.DiffIDs, d.two.DiffIDs()) {
		d.Fatalf("app:2 is %+v, %v", image, err)
	}
	want := fmt.Sprintf(`{"schema":1,"version":"2.0.0","images":{"app":{"config":"%s","platform":"linux/amd64"}}}`,
		oci.DigestOf(d.two.Config))
	if got := d.current(); got != want {
		d.Errorf("current is %s, want %s", got, want)
	}
	d.expectQuiet()
	if got := d.left(); !slices.Equal(got, []string{"current", "lock", "releases"}) {
		d.Errorf("the folder holds %v", got)
	}
}

// expectQuiet: no containers, and the old image is there.
func (d *device) expectQuiet() {
	d.Helper()
	if count := d.engine.Containers(); count != 0 {
		d.Errorf("%d containers are left", count)
	}
	if d.engine.Tagged("app:1") != d.oneID {
		d.Error("the old image has lost its name")
	}
}

func (d *device) expectOld() {
	d.Helper()
	if got := d.current(); got != "" {
		d.Errorf("current is %s", got)
	}
	if got := d.engine.Tagged("app:2"); got != "" {
		d.Errorf("app:2 is %s", got)
	}
	if got := d.engine.IDs(); !slices.Equal(got, []string{d.oneID}) {
		d.Errorf("the images are %v", got)
	}
	d.expectQuiet()
	for _, name := range d.left() {
		if name != "lock" {
			d.Errorf("the folder holds %s", name)
		}
	}
}

func eachStore(t *testing.T, run func(*testing.T, engine.Store)) {
	stores := map[string]engine.Store{"classic": engine.Classic, "containerd": engine.Containerd, "podman": engine.Podman}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) { run(t, store) })
	}
}
