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
