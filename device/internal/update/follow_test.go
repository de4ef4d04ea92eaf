package update_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"imgbuild/device/internal/engine"
	"imgbuild/device/internal/oci"
	"imgbuild/device/internal/sample"
	"imgbuild/device/internal/update"
)

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

// A device with the packaged release, which no update has put in place.
func TestFollowPackaged(t *testing.T) {
	eachServed(t, func(s *served) {
		s.engine.Put(s.two, "app:2.0.0")
		if got := s.outlook(); got.Action != "none" || got.Because != "2.0.0 is in place" || got.Installed != "2.0.0" {
			s.Errorf("%+v", got)
		}
		if result, err := s.update(); err != nil || result.Outcome != update.Unchanged || len(s.requests) > 0 {
			s.Errorf("%+v, %v, %v", result, err, s.requests)
		}
	})
}

// The packaged release runs again: it counts, whatever Docker has of others.
func TestFollowAfterGoingBackToPackaged(t *testing.T) {
	eachServed(t, func(s *served) {
		s.updated("2.0.0")
		s.engine.Put(s.two, "app:2.0.0")
		if _, err := s.updater().Rollback(context.Background(), "ccai"); err != nil {
			s.Fatal(err)
		}
		if got := s.outlook(); got.Installed != "1.0.0" || !strings.Contains(got.Because, "went back from 2.0.0") {
			s.Errorf("%+v", got)
		}
		s.document["version"], s.document["sequence"], s.document["deltas"] = "1.5.0", 4, nil
		fixed := sample.NewImage("fixed", s.two.Layers...)
		s.add("1.0.0", "1.5.0", sample.Bundle("ccai", "1.0.0", "1.5.0", nil, sample.Target{From: s.one, To: fixed, Reference: "app:1.5.0"}))
		s.updated("1.5.0")
	})
}

// What is kept has the version that the channel names, and other images.
func TestFollowKeptAnother(t *testing.T) {
	eachServed(t, func(s *served) {
		good := s.bytes
		other := sample.NewImage("other", s.two.Layers...)
		s.bytes = sample.Bundle("ccai", "1.0.0", "2.0.0", nil, sample.Target{From: s.one, To: other, Reference: "app:2"})
		if _, err := s.apply(); err != nil {
			s.Fatal(err)
		}
		if _, err := s.updater().Rollback(context.Background(), "ccai"); err != nil {
			s.Fatal(err)
		}
		s.bytes = good
		if got := s.outlook(); got.Action != "update" || got.Way.Kind != "delta" {
			s.Errorf("%+v, %+v", got, got.Way)
		}
		s.updated("2.0.0")
		if !strings.Contains(s.current(), string(oci.DigestOf(s.two.Config))) {
			s.Errorf("current is %s", s.current())
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
	for left, told := range map[time.Duration]string{10*24*time.Hour + time.Hour: "expires in 10 days", 23 * time.Hour: "within a day"} {
		s := newServed(t, engine.Classic)
		s.document["expires"] = time.Now().Add(left)
		s.updated("2.0.0")
		status, err := s.updater().Status(context.Background(), "ccai")
		if err != nil || !strings.Contains(status.Channels[0].Warning, told) {
			t.Errorf("%+v, %v", status, err)
		}
	}
}
