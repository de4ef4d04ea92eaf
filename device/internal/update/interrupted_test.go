package update_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/state"
	"imgbuild/device/internal/update"
)

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

// A power cut has left a filesystem layer that Docker lists and cannot read, with or without an image of it.
func TestPowerCutInDockersNotes(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for name, whole := range map[string]bool{"of the image": true, "of a filesystem layer": false} {
			t.Run(name, func(t *testing.T) {
				d := newDevice(t, store)
				if whole {
					d.engine.Put(d.two, "app:2", "other:2")
				}
				d.engine.Lose(d.two.DiffIDs())
				if _, err := d.apply(); err != nil {
					t.Fatal(err)
				}
				d.expectNew()
			})
		}
	})
}

// A power cut during a load has left a filesystem layer that counts as unpacked, without some of its files.
func TestPowerCutBeforeFilesHaveNames(t *testing.T) {
	d := newDevice(t, engine.Containerd)
	d.engine.Spoil(d.two.DiffIDs(), sample.Tar())
	folder := filepath.Join(d.root, "ccai")
	os.MkdirAll(folder, 0o755)
	os.WriteFile(filepath.Join(folder, "unsynced"), []byte("another boot\n"), 0o644)
	os.WriteFile(filepath.Join(folder, ".current.123.partial"), nil, 0o644)
	if _, err := d.apply(); err != nil {
		t.Fatal(err)
	}
	d.expectNew()
	if told := strings.Join(d.log, "\n"); !strings.Contains(told, "missing; removing it") {
		t.Error(told)
	}
	if left := d.left(); !slices.Equal(left, []string{"current", "lock", "releases"}) {
		t.Errorf("left: %q", left)
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
