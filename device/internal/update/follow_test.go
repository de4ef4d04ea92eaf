package update_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

// served is a channel whose device has release 1, with the releases 2 and 3 after it.
type served struct {
	*device
	three *sample.Image
	// files by their names, and what ota.json says.
	files    map[string][]byte
	document map[string]any
	// signed is the signature of ota.json; requests counts those of files.
	signed   string
	requests []string
	url      string
	follow   update.Follow
}

const registry = "registry.example.com/acme/app"

func newServed(t *testing.T, store engine.Store) *served {
	s := &served{device: newDevice(t, store), files: map[string][]byte{}, signed: "good"}
	s.three = sample.NewImage("3", append(slices.Clone(s.two.Layers), sample.Tar(sample.Entry{Name: "third", Contents: sample.Noise(9000, 3)}))...)
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.url = server.URL
	now := time.Now().UTC().Truncate(time.Second)
	s.document = map[string]any{"schema": 1, "name": "ccai", "channel": "stable", "version": "2.0.0", "sequence": 3,
		"issued": now, "expires": now.Add(90 * 24 * time.Hour), "urls": []string{s.url + "/v{version}/{file}"},
		"images": []any{map[string]any{"image": "app:edge", "platform": "linux/amd64", "reference": nil,
			"config": oci.DigestOf(s.two.Config), "size": 1000}}}
	s.engine.Put(s.one, "app:1.0.0")
	s.add("1.0.0", "2.0.0", s.bytes)
	s.follow = update.Follow{URLs: []string{s.url + "/ota.json?token=secret"}, Channel: "stable",
		Judge: func(text, signature []byte, name string) error {
			if string(signature) != "good" && signature != nil {
				return errors.New(name + " has a wrong signature")
			}
			return nil
		}}
	return s
}

// add a bundle to what ota.json lists.
func (s *served) add(from, to string, text []byte) {
	name := "ccai_" + from + "_" + to + ".ota.tar"
	sum := sha256.Sum256(text)
	s.files[name] = text
	deltas, _ := s.document["deltas"].([]any)
	s.document["deltas"] = append(deltas, map[string]any{"from": from, "to": to, "platform": "linux/amd64", "file": name,
		"size": len(text), "sha256": hex.EncodeToString(sum[:])})
}

// addThree lists the delta from 2 to 3, and stands on 3.
func (s *served) addThree() {
	s.document["version"] = "3.0.0"
	s.add("2.0.0", "3.0.0", sample.Bundle("ccai", "2.0.0", "3.0.0", nil, sample.Target{From: s.two, To: s.three, Reference: "app:3"}))
}

// pullable offers release 2 in a registry.
func (s *served) pullable(size int, image *sample.Image) {
	reference := registry + "@" + string(oci.DigestOf(s.two.Manifest))
	s.engine.Registry = map[string]*sample.Image{reference: image}
	s.document["images"] = []any{map[string]any{"image": "app:edge", "platform": "linux/amd64", "reference": reference,
		"config": oci.DigestOf(s.two.Config), "size": size}}
}

func (s *served) serve(w http.ResponseWriter, r *http.Request) {
	name := filepath.Base(r.URL.Path)
	switch name {
	case "ota.json":
		json.NewEncoder(w).Encode(s.document)
	case "ota.json.asc":
		w.Write([]byte(s.signed))
	default:
		s.requests = append(s.requests, name)
		if s.files[name] == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", `"`+name+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(s.files[name]))
	}
}

func (s *served) update() (*update.Result, error) {
	return s.updater().FollowChannel(context.Background(), "ccai", s.follow)
}

func (s *served) refused(because string) {
	s.Helper()
	if _, err := s.update(); err == nil || !strings.Contains(err.Error(), because) || strings.Contains(err.Error(), "secret") {
		s.Errorf("got %v, want %q", err, because)
	}
}

func (s *served) updated(version string) {
	s.Helper()
	result, err := s.update()
	if err != nil || result.Outcome != update.Updated || result.Version != version {
		s.Fatalf("%+v, %v", result, err)
	}
	if !strings.Contains(s.current(), `"version":"`+version+`"`) {
		s.Errorf("current is %s", s.current())
	}
	if slices.Contains(s.left(), "downloads") || slices.Contains(s.left(), "journal") {
		s.Errorf("the folder holds %v", s.left())
	}
	if count := s.engine.Containers(); count != 0 {
		s.Errorf("%d containers are left", count)
	}
}

func (s *served) outlook() *update.Outlook {
	s.Helper()
	outlook, err := s.updater().Check(context.Background(), "ccai", s.follow)
	if err != nil {
		s.Fatal(err)
	}
	return outlook
}

func eachServed(t *testing.T, run func(*served)) {
	eachStore(t, func(t *testing.T, store engine.Store) { run(newServed(t, store)) })
}

func TestFollow(t *testing.T) {
	eachServed(t, func(s *served) {
		if got := s.outlook(); got.Action != "update" || got.Way.Kind != "delta" || got.Installed != "1.0.0" || got.Sequence != 3 {
			s.Errorf("before: %+v", got)
		}
		if left := s.left(); len(left) > 0 {
			s.Errorf("a check has left %v", left)
		}
		s.updated("2.0.0")
		if result, err := s.update(); err != nil || result.Outcome != update.Unchanged || len(s.requests) != 1 {
			s.Errorf("again: %+v, %v, %v", result, err, s.requests)
		}
		if got := s.outlook(); got.Action != "none" || got.Because != "2.0.0 is in place" || got.Installed != "2.0.0" {
			s.Errorf("after: %+v", got)
		}
		status, err := s.updater().Status(context.Background(), "ccai")
		if err != nil || len(status.Channels) != 1 || status.Channels[0].Sequence != 3 || status.Channels[0].Warning != "" {
			s.Errorf("%+v, %v", status, err)
		}
	})
}

// What is between is loaded, never runs, and is gone at the end.
func TestFollowSeveralInARow(t *testing.T) {
	eachServed(t, func(s *served) {
		s.addThree()
		if got := s.outlook(); got.Way.Kind != "deltas" || len(got.Way.Files) != 2 {
			s.Errorf("%+v", got.Way)
		}
		s.updated("3.0.0")
		if s.restarted() != 1 {
			s.Errorf("restarted %d times", s.restarted())
		}
		if ids := s.engine.IDs(); len(ids) != 2 || s.engine.Tagged("app:3") == "" || s.engine.Tagged("app:2") != "" {
			s.Errorf("the images are %v", ids)
		}
		image, err := s.engine.Client().Inspect(context.Background(), "app:3")
		if err != nil || !slices.Equal(image.DiffIDs, s.three.DiffIDs()) {
			s.Errorf("app:3 is %+v, %v", image, err)
		}
	})
}

// The program ends at each of its requests in turn; the next call ends with the new release.
func TestFollowKilledAtEachRequest(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for killed := 1; ; killed++ {
			s := newServed(t, store)
			s.addThree()
			count := 0
			s.engine.Hook = func(string, string) error {
				if count++; count >= killed {
					return errors.New("killed")
				}
				return nil
			}
			s.update()
			s.engine.Hook = nil
			if count < killed {
				return
			}
			if _, err := s.update(); err != nil {
				t.Fatalf("request %d: %v", killed, err)
			}
			if !strings.Contains(s.current(), `"version":"3.0.0"`) || slices.Contains(s.left(), "downloads") {
				t.Errorf("request %d: current is %s, the folder has %v", killed, s.current(), s.left())
			}
			if _, err := s.updater().Prune(context.Background(), "ccai", 2); err != nil {
				t.Errorf("request %d: %v", killed, err)
			}
			if ids := s.engine.IDs(); len(ids) != 2 {
				t.Errorf("request %d: the images are %v", killed, ids)
			}
		}
	})
}

func TestFollowFullBundle(t *testing.T) {
	eachServed(t, func(s *served) {
		s.engine.Client().Remove(context.Background(), "app:1")
		s.engine.Client().Remove(context.Background(), "app:1.0.0")
		s.add("none", "2.0.0", sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: s.two, Reference: "app:2"}))
		if got := s.outlook(); got.Way.Kind != "full" {
			s.Errorf("%+v", got.Way)
		}
		s.updated("2.0.0")
	})
}

// A source that was altered, a file that no server has, one that is another: another way is taken.
func TestFollowAnotherWay(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		for name, spoil := range map[string]func(*served){
			"source altered": func(s *served) { s.engine.Alter(oci.DigestOf(s.one.Layers[1])) },
			"file missing":   func(s *served) { delete(s.files, "ccai_1.0.0_2.0.0.ota.tar") },
			"file altered":   func(s *served) { s.files["ccai_1.0.0_2.0.0.ota.tar"][5000] ^= 1 },
		} {
			t.Run(name, func(t *testing.T) {
				s := newServed(t, store)
				s.device.T = t
				s.add("none", "2.0.0", sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: s.two, Reference: "app:2"}))
				spoil(s)
				s.updated("2.0.0")
			})
		}
	})
}

func TestFollowPull(t *testing.T) {
	eachServed(t, func(s *served) {
		s.pullable(1000, s.two)
		if got := s.outlook(); got.Way.Kind != "pull" || got.Way.Size != 1000 {
			s.Errorf("%+v", got.Way)
		}
		s.updated("2.0.0")
		if len(s.requests) != 0 || s.engine.Tagged("app:2.0.0") == "" {
			s.Errorf("%v was downloaded, app:2.0.0 is %q", s.requests, s.engine.Tagged("app:2.0.0"))
		}
	})
}

// A registry that has another image under the digest, or none: the delta is taken, and nothing is left.
func TestFollowWrongPull(t *testing.T) {
	eachStore(t, func(t *testing.T, store engine.Store) {
		other := newServed(t, store)
		config := sample.NewImage("other", other.two.Layers...)
		for name, image := range map[string]*sample.Image{"none": nil, "another": config,
			"the manifest with another config": {Layers: other.two.Layers, Config: config.Config, Manifest: other.two.Manifest}} {
			t.Run(name, func(t *testing.T) {
				s := newServed(t, store)
				s.device.T = t
				s.pullable(1000, image)
				s.updated("2.0.0")
				if len(s.requests) != 1 {
					t.Errorf("%v was downloaded", s.requests)
				}
			})
		}
	})
}

func TestFollowNoWay(t *testing.T) {
	s := newServed(t, engine.Classic)
	s.document["deltas"] = nil
	s.refused("this device has 1.0.0, and no delta or image of the channel stable for linux/amd64 leads from there")
	s.document["sequence"] = 4
	s.document["urls"] = []string{s.url + "/missing"}
	s.add("1.0.0", "2.0.0", s.bytes)
	delete(s.files, "ccai_1.0.0_2.0.0.ota.tar")
	s.refused("404")
	s.expectOldFollowing()
}

// expectOldFollowing: as expectOld, with what was seen of the channel.
func (s *served) expectOldFollowing() {
	s.Helper()
	if got := s.current(); got != "" {
		s.Errorf("current is %s", got)
	}
	if got := s.engine.IDs(); !slices.Equal(got, []string{s.oneID}) {
		s.Errorf("the images are %v", got)
	}
	for _, name := range s.left() {
		if name != "lock" && name != "channels" && name != "downloads" && name != "releases" {
			s.Errorf("the folder holds %s", name)
		}
	}
}

func TestFollowRefused(t *testing.T) {
	for because, change := range map[string]func(*served){
		"wrong signature":         func(s *served) { s.signed = "bad" },
		`for the project "other"`: func(s *served) { s.document["name"] = "other" },
		`of the channel "beta"`:   func(s *served) { s.document["channel"] = "beta" },
		"expired on": func(s *served) {
			s.document["expires"] = time.Now().Add(-time.Minute)
			s.document["issued"] = time.Time{}.AddDate(2000, 0, 0)
		},
		"lower than 1.0.0": func(s *served) { s.document["version"] = "0.9.0" },
		"it is for 2.0.0 of ccai": func(s *served) {
			s.document["deltas"] = nil
			s.document["version"] = "2.1.0"
			s.add("1.0.0", "2.1.0", s.bytes)
		},
	} {
		s := newServed(t, engine.Classic)
		change(s)
		s.refused(because)
		s.expectOldFollowing()
	}
}

// What was seen stays seen, whatever came of it.
func TestFollowReplayed(t *testing.T) {
	s := newServed(t, engine.Classic)
	s.document["deltas"] = nil
	s.refused("leads from there")
	s.document["sequence"] = 2
	s.refused("number 2, and this device has seen number 3")
	s.document["sequence"] = 3
	s.document["urls"] = []string{"https://example.com/{file}"}
	s.refused("two different ota.json with the number 3")
	s.document["urls"] = []string{s.url + "/{file}"}
	s.document["sequence"] = 2
	s.add("1.0.0", "2.0.0", s.bytes)
	s.follow.Back = true
	s.updated("2.0.0")
}

// A version that does not work is left alone until somebody asks, or the channel moves on.
func TestFollowAfterFailure(t *testing.T) {
	eachServed(t, func(s *served) {
		s.health["2.0.0"] = 1
		s.refused("it does not work")
		s.expectOldFollowing()
		s.health = map[string]int{}
		if result, err := s.update(); err != nil || result.Outcome != update.Unchanged {
			s.Errorf("%+v, %v", result, err)
		}
		if got := s.outlook(); !strings.Contains(got.Because, "went back from 2.0.0") {
			s.Errorf("%+v", got)
		}
		s.follow.Again = true
		s.updated("2.0.0")
		s.follow.Again = false
		if _, err := s.updater().Rollback(context.Background(), "ccai"); err != nil {
			s.Fatal(err)
		}
		if result, err := s.update(); err != nil || result.Outcome != update.Unchanged {
			s.Errorf("after a rollback: %+v, %v", result, err)
		}
		s.follow.Again = true
		requests := len(s.requests)
		if got := s.outlook(); got.Way.Kind != "kept" {
			s.Errorf("%+v", got.Way)
		}
		s.updated("2.0.0")
		if len(s.requests) != requests {
			s.Error("what is still there is downloaded")
		}
	})
}

// The release is in place, and somebody removed its image.
func TestFollowRepairs(t *testing.T) {
	s := newServed(t, engine.Classic)
	s.updated("2.0.0")
	s.engine.Client().Remove(context.Background(), "app:2")
	s.updated("2.0.0")
	if s.engine.Tagged("app:2") == "" {
		t.Error("it is still missing")
	}
}

func TestFollowExpiresSoon(t *testing.T) {
	s := newServed(t, engine.Classic)
	s.document["expires"] = time.Now().Add(10*24*time.Hour + time.Hour)
	s.updated("2.0.0")
	status, err := s.updater().Status(context.Background(), "ccai")
	if err != nil || !strings.Contains(status.Channels[0].Warning, "expires in 10 days") {
		t.Errorf("%+v, %v", status, err)
	}
}

// The download of an earlier call is gone on with.
func TestFollowResumesDownload(t *testing.T) {
	s := newServed(t, engine.Classic)
	sum := sha256.Sum256(s.bytes)
	folder := filepath.Join(s.root, "ccai/downloads")
	os.MkdirAll(folder, 0o755)
	os.WriteFile(filepath.Join(folder, hex.EncodeToString(sum[:])), s.bytes[:len(s.bytes)-100], 0o644)
	os.WriteFile(filepath.Join(folder, "of another time"), s.bytes, 0o644)
	s.updated("2.0.0")
	if !slices.ContainsFunc(s.log, func(line string) bool { return strings.Contains(line, "going on with the download") }) {
		t.Errorf("%q", s.log)
	}
}
