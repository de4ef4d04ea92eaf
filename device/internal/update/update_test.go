package update_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	"imgbuild/device/internal/failure"
	"imgbuild/device/internal/memory"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/state"
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
	for _, store := range []engine.Store{engine.Classic, engine.Containerd} {
		t.Run(store.String(), func(t *testing.T) { run(t, store) })
	}
}

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

// The engine fails at each of its requests in turn: the old release is what it was, or the next call ends with the new one.
func TestFailureAtEachRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for failing := 1; ; failing++ {
			d := newDevice(t, store)
			count := 0
			d.engine.Hook = func(string, string) error {
				if count++; count == failing {
					return errors.New("out of order")
				}
				return nil
			}
			_, err := d.apply()
			d.engine.Hook = nil
			if count < failing {
				if failing < 10 {
					t.Fatalf("an update makes %d requests only", count)
				}
				return
			}
			if _, err := os.Stat(filepath.Join(d.root, "ccai/journal")); errors.Is(err, os.ErrNotExist) && d.current() == "" {
				d.expectOldOrUnnamed()
			}
			if result, again := d.apply(); again != nil {
				t.Fatalf("request %d: %v, then %+v, %v", failing, err, result, again)
			}
			d.expectNew()
		}
	})
}

// expectOldOrUnnamed: what could not be removed has no name, at least.
func (d *device) expectOldOrUnnamed() {
	d.Helper()
	if got := d.engine.Tagged("app:2"); got != "" {
		d.Errorf("app:2 is %s", got)
	}
}

// The program ends at each of its requests in turn, without a chance to clean up; then it is asked to resume.
func TestKilledAtEachRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for killed := 1; ; killed++ {
			d := newDevice(t, store)
			count := 0
			dead := false
			d.engine.Hook = func(string, string) error {
				if count++; count >= killed {
					dead = true
					return errors.New("killed") // and so is every later one: nothing is cleaned up
				}
				return nil
			}
			_, err := d.apply()
			d.engine.Hook = nil
			if !dead {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			result, err := d.updater().Resume(context.Background(), "ccai")
			if err != nil {
				t.Fatalf("request %d: %v", killed, err)
			}
			switch result.Outcome {
			case update.Updated:
				d.expectNew()
			default:
				if got := d.current(); got != "" && result.Version != "2.0.0" {
					t.Errorf("request %d: current is %s after %+v", killed, got, result)
				}
			}
			if result, err := d.apply(); err != nil {
				t.Fatalf("request %d: %+v, %v", killed, result, err)
			}
			d.expectNew()
		}
	})
}

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

func TestStopped(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		d := newDevice(t, store)
		ctx, stop := context.WithCancel(context.Background())
		d.engine.Hook = func(_, path string) error {
			if strings.HasSuffix(path, "/get") {
				stop()
			}
			return nil
		}
		if _, err := d.updater().Apply(ctx, d.open(d.bytes)); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		d.engine.Hook = nil
		d.expectOld()
	})
}

// The journal of a power cut at each step, found at the next start.
func TestResumeFromEachStep(t *testing.T) {
	for _, step := range []state.Step{state.Loading, state.Moving, state.Checking, state.Returning} {
		t.Run(string(step), func(t *testing.T) {
			d := newDevice(t, engine.Classic)
			newID := d.engine.Put(d.two)
			image := func(of *sample.Image, id, reference string) state.Image {
				return state.Image{Name: "app", Reference: reference, Config: oci.DigestOf(of.Config), Platform: "linux/amd64", ID: id}
			}
			journal := state.Journal{Schema: 1, Step: step, Bundle: oci.DigestOf([]byte("index")), Loaded: []string{newID},
				From: state.Release{Version: "1.0.0", Images: []state.Image{image(d.one, d.oneID, "app:1")}},
				To: state.Release{Version: "2.0.0", Images: []state.Image{image(d.two, newID, "app:2")},
					Current: &state.Current{Schema: 1, Version: "2.0.0", Images: map[string]state.CurrentImage{
						"app": {Config: oci.DigestOf(d.two.Config), Platform: "linux/amd64"}}}},
				Tags: []state.Tag{{Reference: "app:2"}},
			}
			folder := filepath.Join(d.root, "ccai")
			os.MkdirAll(folder, 0o755)
			text, _ := json.Marshal(journal)
			os.WriteFile(filepath.Join(folder, "journal"), text, 0o644)
			if step == state.Checking || step == state.Returning {
				text, _ := json.Marshal(journal.To.Current)
				os.WriteFile(filepath.Join(folder, "current"), text, 0o644)
				d.engine.Client().Tag(context.Background(), newID, "app", "2")
			}
			result, err := d.updater().Resume(context.Background(), "ccai")
			switch step {
			case state.Loading:
				if err != nil || result.Outcome != update.Cleaned {
					t.Errorf("%+v, %v", result, err)
				}
				d.expectOld()
			case state.Returning:
				if err == nil || !strings.Contains(err.Error(), "1.0.0 is back") {
					t.Errorf("%+v, %v", result, err)
				}
				d.expectOld()
			default:
				if err != nil || result.Outcome != update.Updated {
					t.Errorf("%+v, %v", result, err)
				}
				d.expectNew()
			}
		})
	}
}

// A power cut during a load has left a filesystem layer that counts as unpacked, with files that are empty.
func TestPowerCutWhileLoading(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for name, boot := range map[string]string{"after a start": "another boot\n", "in the same boot": ""} {
			t.Run(name, func(t *testing.T) {
				d := newDevice(t, store)
				top := sample.Tar(sample.Entry{Name: "etc/conf"})
				d.engine.Spoil(d.two.DiffIDs(), top)
				folder := filepath.Join(d.root, "ccai")
				os.MkdirAll(folder, 0o755)
				if boot != "" {
					os.WriteFile(filepath.Join(folder, "unsynced"), []byte(boot), 0o644)
				}
				if _, err := d.apply(); err != nil {
					t.Fatal(err)
				}
				d.expectNew()
				told := slices.ContainsFunc(d.log, func(line string) bool { return strings.Contains(line, "removing it") })
				if told != (boot != "") {
					t.Errorf("it was %v that damage was found: %q", told, d.log)
				}
			})
		}
	})
}
