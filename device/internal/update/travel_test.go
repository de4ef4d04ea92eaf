package update_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
)

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

// Of several in a row it is the one that is wrong that no way takes again.
func TestFollowAnotherLastStep(t *testing.T) {
	eachServed(t, func(s *served) {
		s.document["version"] = "3.0.0"
		s.three = sample.NewImage("3", append(slices.Clone(s.two.Layers),
			sample.Tar(sample.Entry{Name: "third", Contents: sample.Noise(100_000, 3)}))...)
		s.add("2.0.0", "3.0.0", sample.Bundle("ccai", "2.0.0", "3.0.0", nil, sample.Target{From: s.two, To: s.three, Reference: "app:3",
			Deltas: map[oci.Digest][]byte{oci.DigestOf(s.three.Layers[3]): (&sample.Operations{}).Data([]byte("x")).TarDiff()}}))
		s.add("none", "2.0.0", sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: s.two, Reference: "app:2"}))
		s.add("none", "3.0.0", sample.Bundle("ccai", "", "3.0.0", nil, sample.Target{To: s.three, Reference: "app:3"}))
		s.updated("3.0.0")
		if slices.Contains(s.requests, "ccai_none_2.0.0.ota.tar") {
			s.Errorf("%v was downloaded", s.requests)
		}
	})
}

// A delta in a format that this program doesn't know is never downloaded.
func TestFollowWithoutNewerFormats(t *testing.T) {
	eachServed(t, func(s *served) {
		s.document["deltas"].([]any)[0].(map[string]any)["needs"] = 9
		s.refused("the deltas that may lead from there need a newer imgbuild-ota")
		s.document["sequence"] = 4
		s.add("none", "2.0.0", sample.Bundle("ccai", "", "2.0.0", nil, sample.Target{To: s.two, Reference: "app:2"}))
		s.updated("2.0.0")
		if slices.Contains(s.requests, "ccai_1.0.0_2.0.0.ota.tar") {
			s.Errorf("%v was downloaded", s.requests)
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
